"""Where the tests' databases are."""

import os

import pytest


@pytest.fixture
def postgres_url() -> str:
    """A database that does not exist yet: it is made for each test. Each process of pytest-xdist has its own."""
    server = os.environ.get("EXAMPLE_POSTGRES", "postgresql://localhost")
    return f"{server}/example_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
