"""SQLite: every test has a fresh file with the customer of the package."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from shop.invoices import forget, total

pytestmark = pytest.mark.hfit("invoices")  # a package of hfit.toml, exactly as hfit.lock has it
CUSTOMER = 5


@pytest.fixture
def database(hfit_load, tmp_path: Path):
    """A connection to the loaded file."""
    hfit_load(f"sqlite:///{tmp_path}/music.db")
    with closing(sqlite3.connect(tmp_path / "music.db")) as connection:
        yield connection


def test_the_total_is_that_of_all_invoices(database):
    lines = 'SELECT sum(l."UnitPrice" * l."Quantity") FROM "InvoiceLine" l JOIN "Invoice" i USING ("InvoiceId")'
    (expected,) = database.execute(lines).fetchone()
    assert total(database, CUSTOMER) == round(expected, 2) > 0


def test_a_forgotten_customer_leaves_nothing(database):
    assert forget(database, CUSTOMER) == 7
    assert total(database, CUSTOMER) == 0


def test_the_next_test_sees_everything_again(database):
    assert total(database, CUSTOMER) > 0


def test_nothing_refers_to_what_is_missing(database):
    assert database.execute("PRAGMA foreign_key_check").fetchall() == []


def test_no_real_address_is_in_the_package(database):
    (email,) = database.execute('SELECT "Email" FROM "Customer"').fetchone()
    assert "@gmail" not in email and "@yahoo" not in email


def test_the_report_counts_the_rows(hfit_load, tmp_path: Path):
    report = hfit_load(f"sqlite:///{tmp_path}/counted.db")
    assert report.rows["main.Customer"] == 1
    assert report.rows["main.Invoice"] == 7
