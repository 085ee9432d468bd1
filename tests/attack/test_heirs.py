"""Rows of another table that a table shows as its own: heirs and partitions."""

from __future__ import annotations

from hfitd.access.policy import Policy
from hfitd.config.model import PolicyConfig, ProviderConfig, RoleConfig, Secret
from hfitd.engines.table import open_engine
from hfitd.export.query.free import parse_query, rewrite_query
from hfitd.model import Action, Actor, TableName
from tests.live.databases import run_sql
from tests.live.servers import Server

DEV = Actor("dev@example.org", ("dev",))
TABLES = """
CREATE TABLE base (id integer, word varchar(20));
CREATE TABLE hidden () INHERITS (base);
INSERT INTO base VALUES (1, 'plain');
INSERT INTO hidden VALUES (2, 'CANARY');
"""
GRANTS = ("rows:shop/**", "query:shop/**", "!rows:shop/public/hidden")


async def test_s21_a_free_query_reads_no_rows_of_a_denied_heir(postgres_server: Server, postgres_database: str) -> None:
    run_sql(postgres_server, TABLES, postgres_database)
    s = postgres_server
    engine = open_engine(
        ProviderConfig("shop", s.kind, s.host, s.port, s.user, Secret(s.password), postgres_database, tls="disable")
    )
    policy = Policy(PolicyConfig(), {"dev": RoleConfig("dev", GRANTS)}, b"k" * 32)
    try:
        async with engine.snapshot(postgres_database) as snapshot:
            name = TableName("public", "base")
            base = policy.relation(DEV, "shop", await snapshot.catalog(), name, action=Action.QUERY)
            parsed = parse_query("SELECT word FROM base", "postgres")
            select = rewrite_query(parsed, engine.dialect, "public", lambda *_: base, lambda _: {}, {})
            rows = await snapshot.rows(select, 10)
    finally:
        await engine.close()
    assert [tuple(row) for row in rows] == [("plain",)]
