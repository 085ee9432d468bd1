"""A session on a database that was filled once; what a test does in it, its commits too, is rolled back."""

import os

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

SERVER = os.environ.get("EXAMPLE_POSTGRES", "postgresql://localhost")
URL = f"{SERVER}/example_sqlalchemy_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"


@pytest.fixture
def session(hfit_load):
    """The package of the test's marker, as an ORM sees it."""
    hfit_load(URL)
    engine = create_engine(URL.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection, connection.begin() as transaction:
        with Session(bind=connection, join_transaction_mode="create_savepoint") as session:
            yield session
        transaction.rollback()
    engine.dispose()
