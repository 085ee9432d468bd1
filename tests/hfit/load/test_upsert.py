"""``--mode upsert``: by primary key, whatever else a table has, and nothing but what the package says."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from hfit.errors import LoadFailed, TargetRefused
from tests.live.databases import run_sql
from tests.live.servers import Server
from tests.support.whole_packages import Content, Load, Packed, Verify

LINE = ("shop", "number", "parent_shop", "parent_number", "code", "amount")
ROWS: tuple[tuple[object, ...], ...] = (
    (1, "a", 1, "b", "one", "1.50"),  # a and b refer to each other
    (1, "b", 1, "a", "two", "2.25"),
    (2, "a", None, None, None, "0.25"),
)
DDL = {
    "postgresql": """CREATE TABLE line (shop int, number varchar(9), parent_shop int, parent_number varchar(9),
        code varchar(9) UNIQUE, amount numeric(9,2), doubled numeric GENERATED ALWAYS AS (amount * 2) STORED,
        PRIMARY KEY (number, shop), FOREIGN KEY (parent_number, parent_shop) REFERENCES line (number, shop))""",
    "mysql": """CREATE TABLE line (shop int, number varchar(9), parent_shop int, parent_number varchar(9),
        code varchar(9) UNIQUE, amount decimal(9,2), doubled decimal(9,2) GENERATED ALWAYS AS (amount * 2) STORED,
        PRIMARY KEY (number, shop), FOREIGN KEY (parent_number, parent_shop) REFERENCES line (number, shop))""",
    "sqlite": """CREATE TABLE line (shop int, number varchar(9), parent_shop int, parent_number varchar(9),
        code varchar(9) UNIQUE, amount numeric, doubled numeric GENERATED ALWAYS AS (amount * 2) STORED,
        PRIMARY KEY (number, shop), FOREIGN KEY (parent_number, parent_shop) REFERENCES line (number, shop))""",
}


def content(engine: str, rows: tuple[tuple[object, ...], ...] = ROWS) -> Content:
    made = Content(engine, "main" if engine == "sqlite" else "shop")
    if engine == "postgresql":
        lines = "".join("\t".join(r"\N" if cell is None else str(cell) for cell in row) + "\n" for row in rows)
        data = f'COPY "public"."line" ({", ".join(LINE)}) FROM stdin;\n{lines}\\.\n'
    else:
        values = ",\n".join(f"({','.join(map(literal, row))})" for row in rows)
        data = f"INSERT INTO line ({', '.join(LINE)}) VALUES\n{values};\n"
    schema = {"postgresql": "public", "mysql": "shop", "sqlite": "main"}[engine]
    made.add_rows("01.sql", data.encode(), f"{schema}.line", len(rows))
    return made


def literal(cell: object) -> str:
    text = str(cell)
    return "NULL" if cell is None else text if text.replace(".", "").isdigit() else f"'{text}'"


@dataclass(frozen=True)
class Target:
    """An empty target with the table."""

    engine: str
    url: str
    run: Callable[[str], str]


@pytest.fixture(params=["postgresql", "mysql", "sqlite", pytest.param("mysql9", marks=pytest.mark.mysql9)])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    if request.param == "sqlite":

        def run(sql: str) -> str:
            with closing(sqlite3.connect(tmp_path / "t.db", isolation_level=None)) as connection:
                return "\n".join("|".join(map(str, row)) for row in connection.execute(sql))

        found = Target("sqlite", f"sqlite:///{tmp_path}/t.db", run)
    else:
        kind = {"postgresql": "postgres", "mysql": "mariadb"}.get(request.param, request.param)
        server: Server = request.getfixturevalue(f"{kind}_server")
        name: str = request.getfixturevalue(f"{kind}_database")
        found = Target(server.kind, server.url(name), lambda sql: run_sql(server, sql, name).replace("\t", "|"))
    found.run(DDL[found.engine])
    yield found


def test_composite_keys_circles_and_generated_columns(
    target: Target, packed: Packed, load: Load, verify: Verify
) -> None:
    target.run("INSERT INTO line (shop, number, amount, code) VALUES (1, 'a', 7, 'old'), (1, 'b', 2.25, 'two')")
    path = packed(content(target.engine))
    for _ in range(2):  # rows that are equal already stay so
        load(path, target.url, mode="upsert")
        assert verify(path, target.url) == {next(iter(verify(path, target.url))): 3}
        shown = target.run("SELECT shop, number, doubled FROM line ORDER BY shop, number").split()
        assert [line.rpartition("|")[0] for line in shown] == ["1|a", "1|b", "2|a"]
        assert [float(line.rpartition("|")[2]) for line in shown] == [3.0, 4.5, 0.5]


def test_rows_that_the_package_does_not_have_stay(target: Target, packed: Packed, load: Load) -> None:
    target.run("INSERT INTO line (shop, number, amount, code) VALUES (9, 'z', 7, 'mine')")
    load(packed(content(target.engine)), target.url, mode="upsert")
    assert target.run("SELECT code FROM line WHERE shop = 9").strip() == "mine"


def test_a_row_met_by_another_key_fails_by_name_and_changes_nothing(
    target: Target, packed: Packed, load: Load
) -> None:
    target.run("INSERT INTO line (shop, number, amount, code) VALUES (9, 'z', 7, 'two')")
    with pytest.raises(LoadFailed, match=r"01\.sql, line 1") as caught:
        load(packed(content(target.engine)), target.url, mode="upsert")
    assert "code" in f"{caught.value.message} {caught.value.reason}"
    assert target.run("SELECT count(*) FROM line").strip() == "1"


def test_a_row_that_is_twice_in_the_package_is_not_counted_as_two(target: Target, packed: Packed, load: Load) -> None:
    with pytest.raises(LoadFailed):
        load(packed(content(target.engine, (*ROWS, ROWS[2]))), target.url, mode="upsert")
    assert target.run("SELECT count(*) FROM line").strip() == "0"


def test_a_table_without_a_primary_key_is_refused(target: Target, packed: Packed, load: Load) -> None:
    target.run("DROP TABLE line")
    target.run("CREATE TABLE line (shop int, number text, parent_shop int, parent_number text, code text, amount int)")
    with pytest.raises(TargetRefused, match="no primary key"):
        load(packed(content(target.engine)), target.url, mode="upsert")


@pytest.fixture
def run(postgres_server: Server, postgres_database: str) -> Callable[[str], str]:
    return lambda sql: run_sql(postgres_server, sql, postgres_database)


def thing(text: bytes) -> Content:
    made = Content("postgresql", "shop")
    head = b'COPY "public"."thing" ("id", "serial", "name") FROM stdin;\n'
    made.add_rows("01.sql", head + text + b"\\.\n", "public.thing", text.count(b"\n"))
    return made


def test_identity_columns_that_are_always_generated(
    run: Callable[[str], str], postgres_server: Server, postgres_database: str, packed: Packed, load: Load
) -> None:
    run("CREATE TABLE thing (id int PRIMARY KEY, serial int GENERATED ALWAYS AS IDENTITY, name text)")
    run("INSERT INTO thing (id, name) VALUES (1, 'old')")
    url = postgres_server.url(postgres_database)
    load(packed(thing(b"1\t1\tnew\n2\t8\tmore\n")), url, mode="upsert")
    assert run("SELECT id, serial, name FROM thing ORDER BY id").split() == ["1|1|new", "2|8|more"]
    assert run("INSERT INTO thing (id) VALUES (3) RETURNING serial").split() == ["9"]
    with pytest.raises(LoadFailed, match="another serial, an identity column"):
        load(packed(thing(b"1\t5\tnewer\n")), url, mode="upsert")
    assert run("SELECT name FROM thing WHERE id = 1").strip() == "new"


def test_a_primary_key_that_is_deferred(
    run: Callable[[str], str], postgres_server: Server, postgres_database: str, packed: Packed, load: Load
) -> None:
    run("CREATE TABLE thing (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, serial int, name text)")
    run("INSERT INTO thing VALUES (1, 4, 'old')")
    load(packed(thing(b"1\t5\tnew\n2\t6\tmore\n")), postgres_server.url(postgres_database), mode="upsert")
    assert run("SELECT id, serial, name FROM thing ORDER BY id").split() == ["1|5|new", "2|6|more"]


def test_the_key_is_found_when_its_operators_are_not_on_the_search_path(
    run: Callable[[str], str], postgres_server: Server, postgres_database: str, packed: Packed, load: Load
) -> None:
    run("CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext")
    run("CREATE TABLE thing (id ext.citext PRIMARY KEY, serial int, name text); INSERT INTO thing VALUES ('A', 1, 'x')")
    load(packed(thing(b"a\t5\tnew\nb\t6\tmore\n")), postgres_server.url(postgres_database), mode="upsert")
    assert sorted(run("SELECT serial, name FROM thing").split()) == ["5|new", "6|more"]


@pytest.mark.parametrize("mode", ["data", "replace", "upsert"])
def test_triggers_of_an_ordinary_role_do_not_fire_in_any_mode(
    run: Callable[[str], str], postgres_server: Server, postgres_database: str, packed: Packed, load: Load, mode: str
) -> None:
    """Also those of partitions, and of statements."""
    run("DROP ROLE IF EXISTS hfit_plain; CREATE ROLE hfit_plain LOGIN PASSWORD 'pw'")
    run(f"GRANT CREATE, TEMPORARY ON DATABASE {postgres_database} TO hfit_plain")
    run("GRANT ALL ON SCHEMA public TO hfit_plain")
    note = "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS"
    run(f"""SET ROLE hfit_plain; CREATE TABLE log (what text); {note}
        'BEGIN INSERT INTO log VALUES (TG_OP); RETURN COALESCE(NEW, OLD); END';
        CREATE TABLE thing (id int PRIMARY KEY, serial int, name text) PARTITION BY RANGE (id);
        CREATE TABLE thing_1 PARTITION OF thing FOR VALUES FROM (0) TO (2);
        CREATE TABLE thing_2 PARTITION OF thing FOR VALUES FROM (2) TO (9);
        CREATE TRIGGER a AFTER INSERT OR UPDATE OR DELETE ON thing FOR EACH ROW EXECUTE FUNCTION note();
        CREATE TRIGGER b BEFORE INSERT OR UPDATE OR DELETE ON thing_1 FOR EACH STATEMENT EXECUTE FUNCTION note();
        CREATE TRIGGER c BEFORE INSERT ON thing_2 FOR EACH ROW EXECUTE FUNCTION note();
        ALTER TABLE thing_2 ENABLE ALWAYS TRIGGER c;""")
    states = "SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger ORDER BY 1, 2"
    before = run(states)
    if mode != "data":
        run("SET ROLE hfit_plain; INSERT INTO thing VALUES (1, 1, 'old'), (8, 1, 'old'); DELETE FROM log")
    url = f"postgresql://hfit_plain:pw@{postgres_server.host}:{postgres_server.port}/{postgres_database}"
    try:
        load(packed(thing(b"1\t5\tnew\n3\t6\tmore\n")), url, mode=mode)
        assert run("SELECT count(*) FROM log").strip() == "0"
        assert run(states) == before
        run("INSERT INTO thing VALUES (4, 4, 'four')")
        assert run("SELECT count(*) FROM log").strip() == "2"
    finally:
        run("DROP OWNED BY hfit_plain CASCADE")
