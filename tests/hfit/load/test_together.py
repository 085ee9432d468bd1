"""A package of several providers is loaded into all of its targets, or into none of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from hfit.errors import HfitClientError, LoadFailed, TargetRefused
from tests.live.databases import fresh_database, run_sql
from tests.live.servers import Server
from tests.support.whole_packages import Content, Load, Packed, Verify

DDL = {
    "postgresql": "CREATE TABLE public.{0} (id serial PRIMARY KEY, name varchar(9) UNIQUE);\n",
    "mysql": "CREATE TABLE `{0}` (`id` int PRIMARY KEY AUTO_INCREMENT, `name` varchar(9) UNIQUE) ENGINE=InnoDB;\n",
    "sqlite": 'CREATE TABLE "{0}" ("id" INTEGER PRIMARY KEY, "name" varchar(9) UNIQUE);\n',
}
SCHEMAS = {"postgresql": "public", "mysql": "shop", "sqlite": "main"}


def content(engine: str, name: str, *, broken: bool = False) -> Content:
    """A table with two rows; of a broken one, the second meets the first by its unique key."""
    rows = [(1, "a"), (5, "a" if broken else "b")]
    if engine == "postgresql":
        data = f'COPY "public"."{name}" ("id", "name") FROM stdin;\n'
        data += "".join(f"{number}\t{text}\n" for number, text in rows) + "\\.\n"
    else:
        mark = "`" if engine == "mysql" else '"'
        values = ",\n".join(f"({number},'{text}')" for number, text in rows)
        data = f"INSERT INTO {mark}{name}{mark} ({mark}id{mark}, {mark}name{mark}) VALUES\n{values};\n"
    made = Content(engine, "main" if engine == "sqlite" else "shop")
    made.add_ddl(f"{name}-0.sql", DDL[engine].format(name).encode())
    made.add_rows(f"{name}-1.sql", data.encode(), f"{SCHEMAS[engine]}.{name}", 2)
    return made


@dataclass(frozen=True)
class Place:
    """An empty target."""

    engine: str
    url: str
    tables: Callable[[], list[str]]
    rows: Callable[[str], int]


@dataclass(frozen=True)
class Places:
    """One of each engine."""

    pg: Place
    my: Place
    lite: Place

    def urls(self, *names: str) -> list[str]:
        return [f"{name}={getattr(self, name).url}" for name in names]

    def everything(self) -> list[str]:
        return [*self.pg.tables(), *self.my.tables(), *self.lite.tables()]


def of_server(server: Server, database: str) -> Place:
    own = "'public'" if server.kind == "postgresql" else "DATABASE()"
    listing = f"SELECT table_name FROM information_schema.tables WHERE table_schema = {own} ORDER BY 1"

    def rows(table: str) -> int:
        return int(run_sql(server, f"SELECT count(*) FROM {table}", database))

    return Place(server.kind, server.url(database), lambda: run_sql(server, listing, database).split(), rows)


def of_file(path: Path) -> Place:
    def ask(sql: str) -> list[object]:
        with closing(sqlite3.connect(path)) as connection:
            return [row[0] for row in connection.execute(sql)]

    def tables() -> list[str]:
        return [str(name) for name in ask("SELECT name FROM sqlite_schema WHERE type = 'table'")]

    return Place("sqlite", f"sqlite:///{path}", tables, lambda table: int(str(ask(f"SELECT count(*) FROM {table}")[0])))


@pytest.fixture
def places(
    postgres_server: Server, postgres_database: str, mariadb_server: Server, mariadb_database: str, tmp_path: Path
) -> Iterator[Places]:
    pg, my = of_server(postgres_server, postgres_database), of_server(mariadb_server, mariadb_database)
    yield Places(pg, my, of_file(tmp_path / "target.db"))


def three(broken: str = "") -> dict[str, Content]:
    engines = {"my": "mysql", "pg": "postgresql", "lite": "sqlite"}
    return {name: content(engine, name, broken=name == broken) for name, engine in engines.items()}


def test_all_targets_are_loaded_and_compared(places: Places, packed: Packed, load: Load, verify: Verify) -> None:
    path, urls = packed(three()), places.urls("my", "pg", "lite")
    seen: list[tuple[int, int | None]] = []
    reports = load(path, *urls, progress=lambda done, total: seen.append((done, total)))
    assert {report.provider: dict(report.rows) for report in reports} == {
        "my": {"shop.my": 2}, "pg": {"public.pg": 2}, "lite": {"main.lite": 2}
    }  # fmt: skip
    assert [report.provider for report in reports] == ["lite", "my", "pg"]
    assert seen == sorted(seen) and seen[-1] == (6, 6)
    assert sum(verify(path, *urls).values()) == 6


@pytest.mark.parametrize("broken", ["pg", "lite"])
def test_a_row_that_fails_anywhere_leaves_every_target_as_it_was(
    places: Places, packed: Packed, load: Load, broken: str
) -> None:
    with pytest.raises(LoadFailed, match=rf"{broken}-1\.sql, line 1") as caught:
        load(packed(three(broken)), *places.urls("my", "pg", "lite"))
    assert "No target was changed." in caught.value.reason
    assert places.everything() == []


def test_what_mysql_cannot_take_back_is_named_and_the_others_are_as_they_were(
    places: Places, packed: Packed, load: Load
) -> None:
    with pytest.raises(LoadFailed, match=r"my-1\.sql, line 1") as caught:
        load(packed(three("my")), *places.urls("my", "pg", "lite"))
    assert "created and are empty: my. Nothing else was changed." in caught.value.reason
    assert places.everything() == ["my"]
    assert places.my.rows("my") == 0


def test_a_guard_of_one_target_keeps_all_of_them(
    places: Places, packed: Packed, load: Load, mariadb_server: Server, mariadb_database: str
) -> None:
    run_sql(mariadb_server, "CREATE TABLE my (a int)", mariadb_database)
    with pytest.raises(TargetRefused, match="already has a table my") as caught:
        load(packed(three()), *places.urls("my", "pg", "lite"))
    assert caught.value.message.startswith("mysql://127.0.0.1:")  # which one
    assert places.everything() == ["my"]


def test_two_servers_of_one_engine_are_loaded_together_or_not_at_all(
    places: Places, packed: Packed, load: Load, postgres_server: Server, mariadb_server: Server
) -> None:
    for server, place in ((postgres_server, places.pg), (mariadb_server, places.my)):
        with fresh_database(server) as other:
            urls = [f"one={place.url}", f"two={server.url(other)}"]
            made = {"one": content(place.engine, "one"), "two": content(place.engine, "two", broken=True)}
            with pytest.raises(LoadFailed, match=r"two-1\.sql"):
                load(packed(made), *urls)
            for table in place.tables():  # on MySQL, created and empty
                assert place.rows(table) == 0
    assert places.pg.tables() == []


@pytest.mark.parametrize("engine", ["pg", "my", "lite"])
def test_one_database_takes_the_tables_of_several_providers(
    places: Places, packed: Packed, load: Load, verify: Verify, engine: str
) -> None:
    place: Place = getattr(places, engine)
    path = packed({name: content(place.engine, name) for name in ("one", "two")})
    urls = [f"one={place.url}", f"two={place.url}"]
    load(path, *urls)
    assert (place.rows("one"), place.rows("two")) == (2, 2)
    assert sum(verify(path, *urls).values()) == 4
    load(path, *urls, mode="replace")
    broken = packed({"one": content(place.engine, "one"), "two": content(place.engine, "two", broken=True)})
    with pytest.raises(HfitClientError):
        load(broken, *urls, mode="replace")
    assert (place.rows("one"), place.rows("two")) == (2, 2)


def test_only_the_named_providers_are_loaded_when_that_was_asked_for(
    places: Places, packed: Packed, load: Load
) -> None:
    path = packed(three())
    load(path, *places.urls("pg"), only_named=True)
    assert places.everything() == ["pg"]


def test_a_dry_run_says_what_would_be_done_where(places: Places, packed: Packed, load: Load) -> None:
    reports = load(packed(three()), *places.urls("my", "pg", "lite"), dry_run=True)
    assert {report.provider: report.steps for report in reports}["pg"] == (
        "pg-0.sql: create public.pg", "pg-1.sql: insert into public.pg", "check keys and count rows",
    )  # fmt: skip
    assert places.everything() == []


def test_counters_stay_where_they_were_when_another_target_fails(
    places: Places, packed: Packed, load: Load, postgres_server: Server, postgres_database: str
) -> None:
    """Also those that a member moves itself, as the rows of a subset do for psql."""
    made = {"pg": content("postgresql", "pg")}
    block = "DO $hfit$\nBEGIN PERFORM pg_catalog.setval('pg_id_seq', 40); END\n$hfit$;\n"
    made["pg"].files["pg-1.sql"] += (block + "SELECT pg_catalog.setval('pg_id_seq', 41);\n").encode()
    load(packed(made), places.pg.url)
    counter = "SELECT last_value, is_called FROM pg_id_seq"
    assert run_sql(postgres_server, counter, postgres_database).strip() == "41|t"
    broken = {"pg": content("postgresql", "pg"), "lite": content("sqlite", "lite", broken=True)}
    broken["pg"].files["pg-1.sql"] += block.replace("40", "99").encode()
    with closing(sqlite3.connect(places.lite.url.removeprefix("sqlite:///"))) as connection:
        connection.execute(DDL["sqlite"].format("lite"))
    with pytest.raises(LoadFailed):
        load(packed(broken), *places.urls("pg", "lite"), mode="replace")
    assert run_sql(postgres_server, counter, postgres_database).strip() == "41|t"
