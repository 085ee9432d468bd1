"""Django on a database that was filled once; what a test does in it is rolled back.

With pytest-django: take its fixture `db` after `hfit_load`, instead of `atomic`, and keep it from making a database by
an empty fixture `django_db_setup`.
"""

import os

import django
import pytest

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
django.setup()

from django.conf import settings  # noqa: E402 - models need the settings
from django.db import connection, transaction  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import setup_test_environment, teardown_test_environment  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def environment():
    """Django knows that it is tested."""
    setup_test_environment()
    yield
    teardown_test_environment()


@pytest.fixture
def browser(hfit_load):
    """The package of the test's marker, as a browser meets it."""
    hfit_load(settings.DATABASE_URL)
    with transaction.atomic():
        yield Client()
        transaction.set_rollback(True)
    connection.close()
