"""S27: rows outside a row filter, asked for by conditions that would fail or answer on them, on every engine."""

from __future__ import annotations

import io
import json
import sqlite3
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

import pytest

from tests.live.daemon import Daemon, Person, provider, role, running, sqlite_provider
from tests.live.databases import run_sql
from tests.live.servers import Server
from tests.support.http import Answer, Api

# Of tenant 2 nothing may be seen: its rows divide by zero, are no numbers, and hold CANARY.
TABLES = """
CREATE TABLE deal (id integer PRIMARY KEY, tenant integer NOT NULL, called varchar(40), amount integer NOT NULL,
    code varchar(40), mail varchar(60), boss_id integer REFERENCES deal (id));
CREATE TABLE line (id integer PRIMARY KEY, deal_id integer NOT NULL, what varchar(40),
    CONSTRAINT of_deal FOREIGN KEY (deal_id) REFERENCES deal (id));
INSERT INTO deal VALUES (7, 2, 'CANARYseven', 0, 'CANARYcode', 'CANARY7@x.org', NULL),
    (8, 2, 'CANARYeight', 0, 'x', 'CANARY8@x.org', 7), (1, 1, 'one', 5, '11', 'one@x.org', NULL),
    (2, 1, 'two', 6, '12', 'two@x.org', 7);
INSERT INTO line VALUES (1, 1, 'l1'), (2, 7, 'l2'), (3, 2, 'l3');
CREATE TABLE tag (id integer PRIMARY KEY, deal_id integer NOT NULL,
    CONSTRAINT tagged FOREIGN KEY (deal_id) REFERENCES deal (id));
INSERT INTO tag VALUES (1, 1), (2, 2), (3, 7);
"""
POLICY = """
[policy]
mask_key = "a mask key for tests only, 32 or more"
[[policy.mask]]
columns = "*/*/deal.mail"
mask = "hash"
[[policy.mask]]
columns = "*/*/tag.deal_id"
mask = "const"
value = 0
[[policy.clear]]
columns = ["*/*/*.*"]
[[policy.row_filter]]
table = "*/*/deal"
roles = ["dev"]
where = "tenant = 1"
[limits]
requests_per_minute = 100000
concurrent_packages = 50
"""


@dataclass(frozen=True)
class Fence:
    """The gateway over three engines, and who may see tenant 1."""

    daemon: Daemon
    dev: Person


@pytest.fixture(scope="module")
def fence(
    postgres_server: Server, mariadb_server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fence]:
    folder = tmp_path_factory.mktemp("fence")
    for server in (postgres_server, mariadb_server):
        run_sql(server, "CREATE DATABASE fenced;")
        run_sql(server, TABLES, "fenced")
    with sqlite3.connect(folder / "fenced.db") as connection:
        connection.executescript(TABLES)
    connection.close()
    parts = [provider("pg", postgres_server, "fenced"), provider("my", mariadb_server, "fenced")]
    parts += [sqlite_provider("lite", folder / "fenced.db"), POLICY]
    body = "\n".join([*parts, role("dev", "rows:**", "query:**", "template.run:*", "template.edit:*")])
    try:
        with running(Daemon(folder, body)) as daemon:
            yield Fence(daemon, daemon.add_person("dev@example.org", "dev"))
    finally:
        for server in (postgres_server, mariadb_server):
            run_sql(server, "DROP DATABASE fenced;")


ENGINES = ["pg", "my", "lite"]


def database(name: str) -> str:
    return "main" if name == "lite" else "fenced"


async def package(fence: Fence, name: str, exports: str, **more: str) -> Answer:
    api = Api(fence.daemon, fence.dev)
    lines = [f"hfitVersion: 1\ntemplateName: {name}\npackageName: {name}", *more.values(), f"exports:\n  {exports}\n"]
    kept = await api.request(
        "PUT", f"/packtmpl/{name}", data="\n".join(lines).encode(), headers={"Content-Type": "application/yaml"}
    )
    if kept.status == 404:
        kept = await api.put_template("\n".join(lines))
    assert kept.status in {200, 201}, kept.body
    return await api.package(name, compression="none")


def members(answer: Answer) -> dict[str, bytes]:
    assert answer.status == 200, answer.body
    with tarfile.open(fileobj=io.BytesIO(answer.body)) as archive:
        return {m.name.split("/", 1)[1]: f.read() for m in archive if (f := archive.extractfile(m)) is not None}


FILTERS = [
    "called LIKE 'CANARY%'", r"called LIKE 'CANARYseven\'", "called = 'CANARYseven'", "called > 'C' AND amount = 0",
    "amount = 0", "id IN (7, 8)", "NOT (tenant = 1)", "tenant <> 1 OR tenant IS NULL", "boss_id = 7 AND tenant = 2",
]  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("question", FILTERS)
async def test_s27_a_filter_neither_finds_nor_fails_on_a_hidden_row(fence: Fence, engine: str, question: str) -> None:
    path = f"/db/{engine}/{database(engine)}/deal/rows?filter={quote(question)}"
    answer = await Api(fence.daemon, fence.dev).get(path)
    assert answer.status == 200, answer.body
    rows = [json.loads(line) for line in answer.body.splitlines()][:-1]
    assert rows == []


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("SELECT id FROM deal WHERE 10 / amount > 0", 2),
        ("SELECT id FROM deal WHERE CAST(code AS {integer}) > 0", 2),
        ("SELECT id FROM deal ORDER BY 10 / amount", 2),
        ("SELECT id, 10 / amount AS x FROM deal", 2),
        ("SELECT sum(10 / amount) AS x, count(*) AS n FROM deal", 1),
        ("SELECT l.id FROM line l JOIN deal d ON d.id = l.deal_id AND 10 / d.amount > 0", 2),
        ("SELECT l.id FROM line l LEFT JOIN deal d ON d.id = l.deal_id WHERE d.called LIKE 'CANARY%'", 0),
        ("SELECT id FROM line WHERE EXISTS (SELECT 1 FROM deal d WHERE d.id = deal_id AND 10 / d.amount >= 0)", 2),
        ("SELECT id FROM line WHERE deal_id IN (SELECT id FROM deal WHERE amount = 0)", 0),
        ("SELECT tenant, max(called) AS c FROM deal GROUP BY tenant HAVING max(amount) >= 0", 1),
        ("SELECT x.id FROM (SELECT id, amount FROM deal) x WHERE 10 / x.amount > 0", 2),
        ("WITH d AS (SELECT * FROM deal) SELECT id FROM d WHERE CASE WHEN 10 / amount > 0 THEN 1 ELSE 0 END = 1", 2),
        ("SELECT id FROM deal WHERE mail IS NOT NULL", 0),
        ("SELECT id FROM deal UNION SELECT id FROM deal WHERE 10 / amount > 0", 2),
    ],
)
async def test_s27_a_free_query_neither_finds_nor_fails_on_a_hidden_row(
    fence: Fence, engine: str, query: str, rows: int
) -> None:
    text = query.format(integer="signed" if engine == "my" else "integer")
    answer = await package(fence, "free", f'a.csv: {{type: database, provider: {engine}, query: "{text}"}}')
    found = members(answer)["a.csv"]
    assert b"CANARY" not in found
    assert len(found.splitlines()) - 1 == rows, found


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "query",
    [
        "SELECT called FROM deal WHERE id = 7",
        "SELECT d.called FROM line l JOIN deal d ON d.id = l.deal_id WHERE l.id = 2",
        "SELECT called FROM deal WHERE amount = 0 AND 10 / amount > 0",
    ],
)
async def test_s27_a_prepare_query_finds_no_hidden_row(fence: Fence, engine: str, query: str) -> None:
    steps = f'prepare:\n  - {{setVar: x, from: hot-data, hdata: {{type: dbquery, dbms: {engine}, query: "{query}"}}}}'
    export = f'a.csv: {{type: table-data, data: {{dbms: {engine}, table: line, filter: "what = ${{x}}"}}}}'
    answer = await package(fence, "prepared", export, prepare=steps)
    assert (answer.status, answer.code) == (422, "PREPARE_NO_ROW")


@pytest.mark.parametrize("engine", ENGINES)
async def test_s27_a_subset_never_holds_a_hidden_parent_and_counts_who_refers_to_it(fence: Fence, engine: str) -> None:
    roots = '[{table: line, where: "id > 0"}]'
    export = f"a.sql: {{type: subset, data: {{dbms: {engine}, roots: {roots}, children: all}}}}"
    found = members(await package(fence, "walked", export))
    assert b"CANARY" not in b"".join(found.values())
    (member,) = [m for m in json.loads(found["METADATA/manifest.json"])["members"] if m["path"] == "a.sql"]
    rows = {entry["table"].rpartition(".")[2]: entry["rows"] for entry in member["tables"]}
    assert rows == {"deal": 2, "line": 3}
    assert sorted((d["table"].rpartition(".")[2], d["rows"]) for d in member["dangling"]) == [("deal", 1), ("line", 1)]


@pytest.mark.parametrize("engine", ENGINES)
async def test_s27_a_hidden_root_gives_nothing_not_even_its_children(fence: Fence, engine: str) -> None:
    export = (
        f'a.sql: {{type: subset, data: {{dbms: {engine}, roots: [{{table: deal, where: "id = 7"}}], children: all}}}}'
    )
    found = members(await package(fence, "rooted", export))
    assert b"CANARY" not in b"".join(found.values())
    assert b"l2" not in found["a.sql"]
    export = f"a.csv: {{type: table-data, data: {{dbms: {engine}, table: deal}}}}"
    whole = members(await package(fence, "whole", export))
    assert len(whole["a.csv"].splitlines()) == 3
    assert b"CANARY" not in whole["a.csv"]


@pytest.mark.parametrize("engine", ENGINES)
async def test_s27_no_plan_tells_what_statistics_of_hidden_rows_expect(fence: Fence, engine: str) -> None:
    api = Api(fence.daemon, fence.dev)
    where = "\"called = 'CANARYseven'\""
    asked = (("table-data", f"table: deal, filter: {where}"), ("subset", f"roots: [{{table: deal, where: {where}}}]"))
    for kind, more in asked:
        key = f"{kind}.sql"
        await package(fence, "expected", f"{key}: {{type: {kind}, data: {{dbms: {engine}, {more}}}}}")
        plan = await api.post("/packplan", {"template_name": "expected", "parameters": []})
        assert plan.status == 200, plan.body
        (deal,) = [t for t in plan.json["exports"][0]["tables"] if t["table"].endswith("deal")]
        assert (deal["estimated_rows"], deal["estimated_bytes"]) == (None, None)


@pytest.mark.parametrize("engine", ENGINES)
async def test_references_under_a_constant_are_counted_as_leading_nowhere(fence: Fence, engine: str) -> None:
    roots = '[{table: tag, where: "id < 3"}]'
    export = f"a.sql: {{type: subset, data: {{dbms: {engine}, roots: {roots}, children: none}}}}"
    tables = f"""b.sql: {{type: table-data, data: {{dbms: {engine}, table: deal}}}}
  c.sql: {{type: table-data, data: {{dbms: {engine}, table: tag, filter: "id > 1"}}}}"""
    for number, (exports, path, rows) in enumerate([(export, "a.sql", 2), (tables, "c.sql", 2)]):
        found = members(await package(fence, f"constant-{number}", exports))
        document = json.loads(found["METADATA/manifest.json"])["members"]
        (member,) = [entry for entry in document if entry["path"] == path]
        assert [(d["table"].rpartition(".")[2], d["rows"]) for d in member["dangling"]] == [("tag", rows)]
