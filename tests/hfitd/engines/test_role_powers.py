"""Everything a database role can do besides reading is found, however it came by it (O13)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from hfitd.config.model import ProviderConfig, Secret
from hfitd.engines.interface import ServerReport
from hfitd.engines.table import open_engine
from tests.live.databases import run_sql
from tests.live.servers import Server
from tests.support.engine_worlds import postgres_provider
from tests.support.mysql_world import mysql_provider

PASSWORD = "powers-password"


@dataclass(frozen=True)
class Account:
    """A weak role on a server and how to give it more."""

    server: Server
    config: ProviderConfig
    name: str

    def sql(self, script: str) -> None:
        """As superuser, ``{role}`` and ``{database}`` filled in."""
        run_sql(self.server, script.format(role=self.name, database=self.config.database), self.config.database)

    async def report(self) -> ServerReport:
        """What the engine says of the role."""
        engine = open_engine(self.config)
        try:
            return await engine.check()
        finally:
            await engine.close()


@pytest.fixture
def postgres_account(postgres_server: Server, postgres_database: str) -> Iterator[Account]:
    name = f"powers_{postgres_database}"
    config = replace(postgres_provider(postgres_server, postgres_database), user=name, password=Secret(PASSWORD))
    account = Account(postgres_server, config, name)
    account.sql("CREATE TABLE t (id integer); CREATE ROLE {role} LOGIN PASSWORD '" + PASSWORD + "'; "
                "CREATE ROLE {role}_more; GRANT SELECT ON t TO {role};")  # fmt: skip
    yield account
    account.sql("REVOKE ALL ON t FROM PUBLIC; DROP OWNED BY {role}; DROP OWNED BY {role}_more; DROP ROLE {role};"
                "DROP ROLE {role}_more;")  # fmt: skip


@pytest.fixture
def mariadb_account(mariadb_server: Server, mariadb_database: str) -> Iterator[Account]:
    name = "'powers'@'127.0.0.1'"
    config = replace(mysql_provider(mariadb_server, mariadb_database), user="powers", password=Secret(PASSWORD))
    account = Account(mariadb_server, config, name)
    account.sql("CREATE TABLE t (id integer); CREATE OR REPLACE USER {role} IDENTIFIED BY '" + PASSWORD + "';"
                "CREATE OR REPLACE ROLE powers_more; GRANT SELECT ON `{database}`.* TO {role};")  # fmt: skip
    yield account
    account.sql("DROP USER {role}; DROP ROLE powers_more;")


async def test_o13_a_reader_has_no_excess(postgres_account: Account, mariadb_account: Account) -> None:
    for account in (postgres_account, mariadb_account):
        assert (await account.report()).excess == ()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("GRANT INSERT ON t TO PUBLIC;", "write to 1 tables"),
        ("GRANT UPDATE (id) ON t TO {role};", "write to 1 tables"),
        ("GRANT pg_read_server_files TO {role};", "pg_read_server_files"),
        ("GRANT pg_execute_server_program TO {role};", "pg_execute_server_program"),
        ("ALTER ROLE {role} BYPASSRLS;", "row security"),
        ("ALTER ROLE {role} CREATEROLE;", "create roles"),
        ("CREATE SCHEMA mine; GRANT CREATE ON SCHEMA mine TO {role};", "create objects in 1 schemas"),
        ("GRANT CREATE ON DATABASE {database} TO {role};", "create schemas"),
        ("GRANT CREATE ON SCHEMA public TO {role};", "schema public"),
        ("GRANT SELECT ON t TO {role} WITH GRANT OPTION;", "pass on its rights"),
        ("GRANT INSERT ON t TO {role}_more; GRANT {role}_more TO {role};", "write to 1 tables"),
        ("ALTER ROLE {role} NOINHERIT; GRANT INSERT ON t TO {role}_more; GRANT {role}_more TO {role};", "may become"),
        ("ALTER ROLE {role}_more SUPERUSER; GRANT {role}_more TO {role};", "may become"),
        ("ALTER TABLE t OWNER TO {role};", "write to 1 tables"),
    ],
)
async def test_o13_every_power_on_postgresql_is_named(postgres_account: Account, given: str, said: str) -> None:
    postgres_account.sql(given)
    excess = (await postgres_account.report()).excess
    assert any(said in line for line in excess), excess


async def test_reading_more_than_tables_is_a_warning(postgres_account: Account) -> None:
    postgres_account.sql("GRANT pg_read_all_data TO {role};")
    report = await postgres_account.report()
    assert report.excess == ()
    assert any("pg_read_all_data" in line for line in report.warnings)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("GRANT FILE ON *.* TO {role};", "FILE"),
        ("GRANT SUPER ON *.* TO {role};", "SUPER"),
        ("GRANT PROCESS ON *.* TO {role};", "PROCESS"),
        ("GRANT SET USER ON *.* TO {role};", "SET USER"),
        ("GRANT PROXY ON 'root'@'localhost' TO {role};", "PROXY"),
        ("GRANT SELECT ON `{database}`.t TO {role} WITH GRANT OPTION;", "GRANT OPTION"),
        ("GRANT SELECT (id) ON `{database}`.t TO {role} WITH GRANT OPTION MAX_USER_CONNECTIONS 3;", "GRANT OPTION"),
        ("GRANT UPDATE (id) ON `{database}`.t TO {role};", "UPDATE"),
        ("GRANT INSERT ON `{database}`.* TO powers_more; GRANT powers_more TO {role};", "INSERT"),
        ("GRANT DELETE ON `{database}`.* TO powers_more; GRANT powers_more TO {role} WITH ADMIN OPTION;", "DELETE"),
        ("GRANT ALL ON *.* TO {role};", "SUPER"),
    ],
)  # fmt: skip
async def test_o13_every_power_on_mariadb_is_named(mariadb_account: Account, given: str, said: str) -> None:
    mariadb_account.sql(given)
    excess = (await mariadb_account.report()).excess
    assert any(said in line for line in excess), excess
