"""Issue 2's acceptance, as a user goes it: ``hfitd`` and ``hfit`` are processes, the databases are real."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.live.databases import fresh_database, run_sql
from tests.live.world import CASE, World


@pytest.fixture(scope="session")
def case(world: World) -> Path:
    """The package of customer 42, downloaded into a fresh work folder by ``hfit``."""
    work = world.dev.folder / "work"
    work.mkdir()
    (work / "case.yaml").write_text(CASE)
    login = world.daemon.hfit(world.dev, "login", cwd=work)
    assert login.code == 0, login.err
    created = world.daemon.hfit(world.dev, "pkg-tmpl", "create", "case.yaml", cwd=work)
    assert created.code == 0, created.err
    done = world.daemon.hfit(world.dev, "pkg-download", "customer-case", "customer_id=42", cwd=work)
    assert done.code == 0, done.err
    return work / "case-42"


def test_the_sql_of_postgresql_loads_and_every_row_is_there(case: Path, world: World) -> None:
    server = world.shop.postgres
    with fresh_database(server) as name:
        for member in ("pg_schema.sql", "pg_customer.sql", "pg_rental.sql"):
            run_sql(server, (case / member).read_bytes(), name)  # psql -v ON_ERROR_STOP=1
        for table in ("customer", "rental"):
            question = f"SELECT count(*) FROM {table} WHERE customer_id = 42"
            assert run_sql(server, f"SELECT count(*) FROM {table}", name) == run_sql(server, question, "sakila")


def test_the_sql_of_mariadb_loads_and_every_row_is_there(case: Path, world: World) -> None:
    server = world.shop.mariadb
    with fresh_database(server) as name:
        for member in ("my_schema.sql", "my_customer.sql", "my_payment.sql"):
            run_sql(server, (case / member).read_bytes(), name)
        for table in ("customer", "payment"):
            question = f"SELECT count(*) FROM {table} WHERE customer_id = 42"
            assert run_sql(server, f"SELECT count(*) FROM {table}", name) == run_sql(server, question, "sakila")


def test_files_of_both_volumes_are_in_the_package(case: Path, world: World) -> None:
    volumes = world.daemon.folder
    assert (case / "logs/case_42_0001.txt").read_bytes() == (volumes / "logs/case_42_0001.txt").read_bytes()
    assert (case / "docs/a_42_b.pdf").read_bytes() == (volumes / "docs/a_42_b.pdf").read_bytes()
    assert not list(case.rglob("*case_7*"))
