"""Types that bring their own operators compare by them, though sessions have an empty search_path."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from hfitd.engines.interface import Dialect, Snapshot
from hfitd.engines.mysql_dialect import MysqlDialect
from hfitd.engines.postgres import PostgresEngine
from hfitd.engines.postgres_dialect import PostgresDialect
from hfitd.engines.sqlite_dialect import SqliteDialect
from hfitd.errors import SqlRefused
from hfitd.export.query.filters import compile_filter, parse_filter
from hfitd.export.query.free import parse_query, rewrite_query
from hfitd.export.query.select import select_relation
from hfitd.model import Column, Kind, MaskedColumn, Relation, TableName
from tests.live.servers import Server
from tests.support.engine_worlds import postgres_provider

EXT = TableName("nasty_types", "t_ext")


@dataclass(frozen=True)
class Nasty:
    """The table of the torture set with citext, hstore and ltree, as everybody may see it."""

    snapshot: Snapshot
    dialect: Dialect
    relation: Relation

    async def filtered(self, condition: str, **values: str | None) -> list[str | None]:
        """Ids of the rows a filter lets through."""
        where = compile_filter(parse_filter(condition), self.relation, self.dialect, values)
        select = select_relation(self.relation, self.dialect, {}, where=where, order=None, limit=None)
        await self.snapshot.describe(select)
        return [row[0] for row in await self.snapshot.rows(select, 10)]

    async def asked(self, query: str, **values: str | None) -> list[tuple[str | None, ...]]:
        """Rows of a free query."""
        parsed = parse_query(query, "postgres")
        select = rewrite_query(parsed, self.dialect, EXT.schema, lambda *_: self.relation, lambda _: {}, values)
        await self.snapshot.describe(select)
        return await self.snapshot.rows(select, 10)


@pytest_asyncio.fixture
async def nasty(postgres_server: Server, nasty_postgres: str) -> AsyncIterator[Nasty]:
    engine = PostgresEngine(postgres_provider(postgres_server, nasty_postgres))
    async with engine.snapshot() as snapshot:
        table = (await snapshot.catalog()).tables[EXT]
        yield Nasty(snapshot, engine.dialect, Relation("p", table, tuple(map(MaskedColumn, table.columns))))
    await engine.close()


def test_only_columns_of_extensions_name_their_operators() -> None:
    plain, special = Column("a", "text", Kind.TEXT), Column("c", "x.citext", Kind.TEXT, operators='o"dd')
    spelling = PostgresDialect()
    assert spelling.comparison(plain, "NOT LIKE") == "NOT LIKE"
    assert spelling.comparison(special, "=") == 'OPERATOR("o""dd".=)'
    assert spelling.comparison(special, "NOT ILIKE") == 'OPERATOR("o""dd".!~~*)'
    assert MysqlDialect().comparison(plain, "=") == SqliteDialect().comparison(plain, "=") == "="


async def test_the_catalogue_says_whose_operators_compare_a_column(nasty: Nasty) -> None:
    found = {column.name: column.operators for column in nasty.relation.table.columns}
    assert found == {"id": "", "h": "public", "c": "public", "l": "public", "c2": "public"}


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        ("c = 'mixed'", ["1"]),
        ("'MIXED' = c", ["1"]),
        ("c = ${x}", ["1"]),
        ("c <> 'MIXED'", ["2"]),
        ("c in ('none', 'mixed', ${x})", ["1"]),
        ("c not in ('none', 'mixed')", ["2"]),
        ("c not in ('none', null)", []),
        ("c between 'MIXEC' and 'mixee'", ["1"]),
        ("not c between 'MIXEC' and 'mixee'", ["2"]),
        ("c not between 'MIXEC' and 'mixee'", ["2"]),
        ("c like 'mix%'", ["1"]),
        ("c not like 'mix%'", ["2"]),
        ("c ilike 'MIX%' or id = 3", ["1", "3"]),
        ("c = c2", ["1"]),
        ("c is null and c2 = 'mixed' and id > 1", ["3"]),
        ("h = 'a=>1'", []),
        ("h = '\"\"=>\"\", \"a\"=>\"1\", \"b\"=>NULL, \"c d\"=>\"e,f=>\\\"g\\\"\"'", ["1"]),
        ("l = 'Top.Science.Astro'", ["1"]),
        ("l > 'Top' and c = 'mixed'", ["1"]),
    ],
)
async def test_a_filter_compares_as_the_type_does(nasty: Nasty, condition: str, ids: list[str]) -> None:
    assert await nasty.filtered(condition, x="miXed") == ids


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("SELECT id FROM t_ext WHERE c = 'mixed' AND id > 0", ["1"]),
        ("SELECT id FROM t_ext WHERE id > 0 AND (c) = 'mi' || 'xed'", []),  # text || text is text
        ("SELECT id FROM t_ext WHERE id > 0 AND c = 'MiX' || 'eD'", ["1"]),
        ("SELECT id FROM t_ext WHERE c LIKE 'mi' || '%'", ["1"]),
        ("SELECT id FROM t_ext WHERE c = ${x}", ["1"]),
        ("SELECT id FROM t_ext WHERE NOT c = 'mixed'", ["2"]),
        ("SELECT id FROM t_ext WHERE c NOT IN ('mixed')", ["2"]),
        ("SELECT id FROM t_ext WHERE c NOT LIKE 'mix%'", ["2"]),
        ("SELECT id FROM t_ext WHERE c !~ '^MIX'", ["2"]),
        ("SELECT id FROM t_ext WHERE c BETWEEN 'MIXEC' AND 'mixee' AND id = 1", ["1"]),
        ("SELECT a.id FROM t_ext a JOIN t_ext b ON a.c = b.c2 ORDER BY b.id", ["1", "1"]),
        ("SELECT id FROM t_ext WHERE c IN (SELECT c2 FROM t_ext WHERE id = 3)", ["1"]),
        ("SELECT id FROM t_ext WHERE c = ANY (SELECT c2 FROM t_ext WHERE id = 3)", ["1"]),
        ("SELECT id FROM t_ext WHERE id < 2 AND 'mixed' IN (SELECT c FROM t_ext)", ["1"]),
        ("SELECT id FROM t_ext WHERE (SELECT c FROM t_ext WHERE id = 1) = 'mixed' AND id < 2", ["1"]),
        ("WITH k AS (SELECT id, c AS e FROM t_ext) SELECT id FROM k WHERE e = 'mixed'", ["1"]),
        ("SELECT lower(e) FROM (SELECT c AS e FROM t_ext UNION SELECT c2 FROM t_ext) u WHERE e = 'MIXed'", ["mixed"]),
        ("SELECT count(DISTINCT c2) FROM t_ext", ["1"]),
        ("SELECT count(*) FROM t_ext WHERE c2 IS NOT NULL GROUP BY c2", ["2"]),
        ("SELECT id FROM t_ext WHERE lower(c) = 'mixed' OR CAST(c AS text) = 'mixed' ORDER BY c, id DESC", ["1"]),
        ("SELECT id FROM t_ext WHERE l <@ 'Top'", ["1"]),
        ("SELECT id FROM t_ext WHERE h -> 'a' = '1'", ["1"]),
        ("SELECT row_number() OVER (PARTITION BY c ORDER BY l) FROM t_ext WHERE c = 'mixed'", ["1"]),
    ],
)
async def test_a_free_query_compares_as_the_type_does(nasty: Nasty, query: str, answer: list[str]) -> None:
    assert [row[0] for row in await nasty.asked(query, x="mIxed")] == answer


@pytest.mark.parametrize(
    "expression",
    [
        "CASE c WHEN 'mixed' THEN 1 END",
        "CASE WHEN id = 1 THEN c END",
        "nullif(c, 'mixed')",
        "coalesce(c, 'x')",
        "max(c)",
        "c IS NOT DISTINCT FROM 'mixed'",
        "(c, id) = ('mixed', 1)",
        "c SIMILAR TO 'mixed'",
        "greatest((SELECT c FROM t_ext WHERE id = 1), 'x')",
        "ARRAY[c]",
        "c || 'x'",
    ],
)
async def test_what_would_compare_as_text_without_a_word_is_refused(nasty: Nasty, expression: str) -> None:
    with pytest.raises(SqlRefused, match="nothing else") as refused:
        await nasty.asked(f"SELECT {expression} AS z FROM t_ext")
    assert refused.value.resource == "c"
    assert "CAST" in refused.value.suggestions[0]


async def test_using_does_not_compare_such_columns(nasty: Nasty) -> None:
    with pytest.raises(SqlRefused, match="USING"):
        await nasty.asked("SELECT 1 AS one FROM t_ext a JOIN t_ext b USING (c)")
