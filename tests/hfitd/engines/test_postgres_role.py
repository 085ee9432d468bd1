"""The script for a provider's role, run by an administrator over schemas that somebody else has named."""

from __future__ import annotations

import pytest

from hfitd.engines.postgres import PostgresEngine
from hfitd.engines.postgres_role import postgres_role_script
from hfitd.model import TableNeed
from tests.live.databases import run_sql
from tests.live.servers import Server
from tests.support.engine_worlds import postgres_provider


@pytest.mark.parametrize("line_end", ["\n", "\r", "\r\n"], ids=["lf", "cr", "crlf"])
async def test_the_name_of_a_schema_cannot_leave_its_remark_and_run(
    postgres_server: Server, postgres_database: str, line_end: str
) -> None:
    hostile = f'a"\\b{line_end}CREATE TABLE public.taken (); --'
    quoted = '"' + hostile.replace('"', '""') + '"'
    run_sql(postgres_server, f"CREATE SCHEMA {quoted}; CREATE TABLE {quoted}.t (id int);", postgres_database)
    provider = postgres_provider(postgres_server, postgres_database)
    engine = PostgresEngine(provider)
    try:
        async with engine.snapshot() as snapshot:
            catalog = await snapshot.catalog()
    finally:
        await engine.close()
    needs = [TableNeed(table, ("id",)) for table in catalog.tables.values()]
    lines = postgres_role_script(provider, postgres_server.user, catalog, needs)
    run_sql(postgres_server, "\n".join(line for line in lines if not line.startswith("ALTER ROLE")), postgres_database)
    assert run_sql(postgres_server, "SELECT to_regclass('public.taken') IS NULL;", postgres_database) == "t\n"
    (remark,) = (line for line in lines if line.startswith("-- REVOKE CREATE ON SCHEMA U&"))
    run_sql(postgres_server, remark.removeprefix("-- "), postgres_database)  # it names the schema all the same
