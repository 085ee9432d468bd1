"""What may be there before a load, what happens to it, and that a failure leaves the target as it was."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from hfit.errors import LoadFailed, PackageInvalid, TargetDiffers, TargetRefused, UsageMistake
from tests.live.databases import run_sql
from tests.live.servers import Server
from tests.support.whole_packages import Content, Load, Packed, Verify

DDL = {
    "postgresql": b"CREATE TABLE public.node (id integer PRIMARY KEY, up integer REFERENCES public.node,"
    b" name varchar(9) UNIQUE, twice integer GENERATED ALWAYS AS (length(name) * 2) STORED);\n",
    "mysql": b"CREATE TABLE `node` (`id` int PRIMARY KEY AUTO_INCREMENT, `up` int, `name` varchar(9) UNIQUE,"
    b" `twice` int GENERATED ALWAYS AS (length(`name`) * 2) STORED, FOREIGN KEY (`up`) REFERENCES `node` (`id`))"
    b" ENGINE=InnoDB;\n",
    "sqlite": b'CREATE TABLE "node" ("id" INTEGER PRIMARY KEY, "up" int REFERENCES "node", "name" varchar(9) UNIQUE,'
    b' "twice" int GENERATED ALWAYS AS (length(name) * 2) STORED);\n',
}
LABELS = {"postgresql": "public.node", "mysql": "shop.node", "sqlite": "main.node"}
NULL = r"\N"
Row = tuple[int, int | None, str]
ROWS: tuple[Row, ...] = ((1, 2, "a"), (2, 1, "b;'"), (3, None, "c"))  # 1 and 2 refer to each other


def rows_member(engine: str, rows: tuple[Row, ...]) -> bytes:
    if engine == "postgresql":
        lines = "".join(f"{a}\t{NULL if b is None else b}\t{c}\n" for a, b, c in rows)
        return f'COPY "public"."node" ("id", "up", "name") FROM stdin;\n{lines}\\.\n\n'.encode()
    values = ",\n".join(f"({a},{'NULL' if b is None else b},'{c.replace(chr(39), chr(39) * 2)}')" for a, b, c in rows)
    mark = "`" if engine == "mysql" else '"'
    names = ", ".join(f"{mark}{name}{mark}" for name in ("id", "up", "name"))
    return f"INSERT INTO {mark}node{mark} ({names}) VALUES\n{values};\n".encode()


@dataclass(frozen=True)
class World:
    """An empty target of one engine."""

    engine: str
    url: str
    run: Callable[[str], str]

    def content(self, rows: tuple[Row, ...] = ROWS, *, ddl: bool = True) -> Content:
        content = Content(self.engine, {"postgresql": "shop", "mysql": "shop", "sqlite": "main"}[self.engine])
        if ddl:
            content.add_ddl("00.sql", DDL[self.engine])
        content.add_rows("01.sql", rows_member(self.engine, rows), LABELS[self.engine], len(rows))
        return content

    def names(self) -> list[str]:
        return self.run("SELECT name FROM node ORDER BY id").split()


@pytest.fixture(params=["postgresql", "mysql", "sqlite", pytest.param("mysql9", marks=pytest.mark.mysql9)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param == "sqlite":
        path = tmp_path / "target.db"

        def run(sql: str) -> str:
            with closing(sqlite3.connect(path, isolation_level=None)) as connection:
                return "\n".join(str(row[0]) for row in connection.execute(sql))

        yield World("sqlite", f"sqlite:///{quote(str(path))}", run)
        return
    kind = {"postgresql": "postgres", "mysql": "mariadb"}.get(request.param, request.param)
    server: Server = request.getfixturevalue(f"{kind}_server")
    database: str = request.getfixturevalue(f"{kind}_database")
    yield World(server.kind, server.url(database), lambda sql: run_sql(server, sql, database))


def create(world: World) -> None:
    world.run(DDL[world.engine].decode().rstrip().rstrip(";"))


def test_create_makes_the_tables_and_rows_of_any_shape(world: World, packed: Packed, load: Load) -> None:
    (report,) = load(packed(world.content()), world.url)
    assert (report.mode, dict(report.rows)) == ("create", {LABELS[world.engine]: 3})
    assert world.names() == ["a", "b;'", "c"]
    assert world.run("SELECT twice FROM node WHERE id = 3").strip() == "2"


def test_a_second_load_is_refused_and_changes_nothing(world: World, packed: Packed, load: Load) -> None:
    path = packed(world.content())
    load(path, world.url)
    for mode in (None, "create", "data"):
        with pytest.raises(TargetRefused):
            load(path, world.url, mode=mode)
    assert world.names() == ["a", "b;'", "c"]


def test_a_database_with_other_rows_is_taken_only_in_a_mode_that_was_named(
    world: World, packed: Packed, load: Load
) -> None:
    world.run("CREATE TABLE other (a int)")
    world.run("INSERT INTO other VALUES (1)")
    path = packed(world.content())
    with pytest.raises(TargetRefused, match="already holds rows"):
        load(path, world.url)
    load(path, world.url, mode="create")
    assert world.names() == ["a", "b;'", "c"]


def test_data_fills_existing_empty_tables(world: World, packed: Packed, load: Load) -> None:
    path = packed(world.content(ddl=False))
    with pytest.raises(TargetRefused, match="has no table"):
        load(path, world.url)
    with pytest.raises(UsageMistake):
        load(path, world.url, mode="create")
    create(world)
    (report,) = load(path, world.url)
    assert report.mode == "data"
    assert world.names() == ["a", "b;'", "c"]


def test_replace_deletes_the_rows_that_are_there(world: World, packed: Packed, load: Load, verify: Verify) -> None:
    create(world)
    world.run("INSERT INTO node (id, up, name) VALUES (1, NULL, 'x'), (9, 1, 'old')")
    path = packed(world.content())
    with pytest.raises(TargetDiffers):
        verify(path, world.url)
    load(path, world.url, mode="replace")
    assert world.names() == ["a", "b;'", "c"]
    verify(path, world.url)


def test_upsert_goes_by_primary_key(world: World, packed: Packed, load: Load) -> None:
    create(world)
    world.run("INSERT INTO node (id, up, name) VALUES (1, NULL, 'x'), (9, 1, 'old')")
    load(packed(world.content()), world.url, mode="upsert")
    assert world.names() == ["a", "b;'", "c", "old"]


def test_upsert_never_changes_a_row_met_by_another_key(world: World, packed: Packed, load: Load) -> None:
    create(world)
    world.run("INSERT INTO node (id, up, name) VALUES (8, NULL, 'c')")
    with pytest.raises(LoadFailed):
        load(packed(world.content()), world.url, mode="upsert")
    assert world.run("SELECT id FROM node").split() == ["8"]


@pytest.mark.parametrize("mode", ["data", "replace", "upsert"])
def test_a_row_that_fails_leaves_the_target_as_it_was(world: World, mode: str, packed: Packed, load: Load) -> None:
    create(world)
    if mode != "data":
        world.run("INSERT INTO node (id, up, name) VALUES (9, NULL, 'old')")
    before = world.names()
    rows: tuple[Row, ...] = (*((n, None, f"n{n}") for n in range(10, 3000)), (5000, None, "n10"))
    with pytest.raises(LoadFailed, match=r"01\.sql, line 1"):
        load(packed(world.content(rows, ddl=False)), world.url, mode=mode)
    assert world.names() == before


def test_a_create_that_fails_leaves_no_row(world: World, packed: Packed, load: Load) -> None:
    rows: tuple[Row, ...] = ((1, None, "a"), (2, None, "a"))
    with pytest.raises(LoadFailed) as caught:
        load(packed(world.content(rows)), world.url)
    if world.engine == "mysql":  # its DDL cannot be taken back, so it is named
        assert "created and are empty: node" in caught.value.reason
        assert world.names() == []
    else:
        assert "not changed" in caught.value.reason
        create(world)  # it is not there


def test_too_few_rows_are_noticed(world: World, packed: Packed, load: Load) -> None:
    content = world.content()
    content.details["01.sql"]["tables"][0]["rows"] = 4
    create(world)
    with pytest.raises(LoadFailed, match="has 4"):
        load(packed(content), world.url, mode="data")
    assert world.names() == []


def test_a_dry_run_changes_nothing(world: World, packed: Packed, load: Load) -> None:
    (report,) = load(packed(world.content()), world.url, dry_run=True)
    assert report.dry_run and report.rows
    create(world)  # it is not there


def test_the_first_row_that_differs_is_named(world: World, packed: Packed, load: Load, verify: Verify) -> None:
    path = packed(world.content())
    load(path, world.url)
    assert verify(path, world.url) == {LABELS[world.engine]: 3}
    world.run("UPDATE node SET name = 'zz' WHERE id = 2")
    with pytest.raises(TargetDiffers, match="node differs where id is 2: column name differs"):
        verify(path, world.url)
    world.run("UPDATE node SET name = 'b;''' WHERE id = 2")
    world.run("DELETE FROM node WHERE id = 3")
    with pytest.raises(TargetDiffers, match="where id is 3: the row is missing"):
        verify(path, world.url)
    world.run("INSERT INTO node (id, name) VALUES (3, 'c'), (4, 'd')")
    with pytest.raises(TargetDiffers, match="where id is 4: the target has a row"):
        verify(path, world.url)


@pytest.mark.parametrize(
    "statement",
    ["GRANT ALL ON node TO public", "COPY node FROM PROGRAM 'id'", "ATTACH DATABASE '/tmp/x' AS x", "SELECT 1",
     "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE node", "DROP DATABASE shop", "DELETE FROM node"],
)  # fmt: skip
def test_a_package_holds_only_what_packages_do(world: World, statement: str, packed: Packed, load: Load) -> None:
    content = world.content()
    content.files["01.sql"] += statement.encode() + b";\n"
    with pytest.raises(PackageInvalid, match=r"01\.sql, line"):
        load(packed(content), world.url)
    create(world)  # nothing had begun


def test_a_member_that_is_cut_off_is_noticed_before_anything_runs(world: World, packed: Packed, load: Load) -> None:
    content = world.content()
    content.files["01.sql"] = content.files["01.sql"].rstrip()[:-2]
    with pytest.raises(PackageInvalid, match=r"01\.sql"):
        load(packed(content), world.url)
    create(world)


def test_a_package_that_says_it_dangles_is_refused_unless_allowed(world: World, packed: Packed, load: Load) -> None:
    content = world.content(((1, 7, "a"),))
    content.details["01.sql"]["dangling"] = [{"table": "node", "foreign_key": "node_up", "rows": 1}]
    path = packed(content)
    with pytest.raises(TargetRefused, match="refer to rows outside"):
        load(path, world.url)
    (report,) = load(path, world.url, allow_dangling=True)
    assert any("refer to nothing" in note for note in report.notes)
    assert world.names() == ["a"]


def test_references_of_keys_that_only_the_template_knows_keep_nothing_from_loading(
    world: World, packed: Packed, load: Load
) -> None:
    content = world.content(((1, None, "a"),))
    entry = {"table": "node", "foreign_key": "node.x -> crm:y.z", "rows": 1, "virtual": True, "to_provider": "crm"}
    content.details["01.sql"]["dangling"] = [entry]
    load(packed(content), world.url)
    assert world.names() == ["a"]


def test_the_wrong_engine_is_refused(world: World, packed: Packed, load: Load, tmp_path: Path) -> None:
    other = "sqlite:///x.db" if world.engine != "sqlite" else "mysql://root@127.0.0.1/x"
    with pytest.raises(TargetRefused, match="SQL is for"):
        load(packed(world.content()), other)
    assert not (tmp_path / "x.db").exists()
