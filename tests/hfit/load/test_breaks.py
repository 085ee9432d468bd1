"""What breaks in the middle of a load: connections, disks, patience, the user's own. The target is as it was."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pymysql
import pytest

from hfit.errors import HfitClientError, LoadFailed, NetworkFailed, TargetBusy
from tests.live.databases import run_sql, statements_only
from tests.live.proxy import TcpProxy, tcp_proxy
from tests.live.servers import Server
from tests.support.package_writer import PackageKey
from tests.support.whole_packages import Content, Load, Packed

ROWS = 60
TABLES = {
    "postgresql": "CREATE TABLE public.t (id integer PRIMARY KEY, name text)",
    "mysql": "CREATE TABLE t (id integer PRIMARY KEY, name longtext)",
    "sqlite": "CREATE TABLE t (id integer PRIMARY KEY, name text)",
}


def content(engine: str, *, ddl: bool, size: int = 10, rows: int = ROWS) -> Content:
    """Rows 1 to ``rows``, a statement for each."""
    made = Content(engine, "main" if engine == "sqlite" else "shop")
    if ddl:
        made.add_ddl("00.sql", f"{TABLES[engine]};\n".encode())
    if engine == "postgresql":
        head = 'COPY "public"."t" ("id", "name") FROM stdin;\n'
        data = "".join(f"{head}{number}\t{'x' * size}\n\\.\n" for number in range(1, rows + 1))
        made.add_rows("01.sql", data.encode(), "public.t", rows)
        return made
    mark = "`" if engine == "mysql" else '"'
    names = f"{mark}t{mark} ({mark}id{mark}, {mark}name{mark})"
    data = "".join(f"INSERT INTO {names} VALUES\n({number},'{'x' * size}');\n" for number in range(1, rows + 1))
    made.add_rows("01.sql", data.encode(), "main.t" if engine == "sqlite" else "shop.t", rows)
    return made


@pytest.fixture(params=["postgresql", "mysql"])
def server(request: pytest.FixtureRequest) -> Server:
    kind = {"postgresql": "postgres", "mysql": "mariadb"}[request.param]
    found: Server = request.getfixturevalue(f"{kind}_server")
    return found


@pytest.fixture
def database(request: pytest.FixtureRequest, server: Server) -> str:
    name: str = request.getfixturevalue(f"{'postgres' if server.kind == 'postgresql' else 'mariadb'}_database")
    return name


def through(proxy: TcpProxy, server: Server, database: str) -> str:
    parts = urlsplit(server.url(database))
    return parts._replace(netloc=f"{parts.netloc.rpartition(':')[0]}:{proxy.port}").geturl()


class Cutter:
    """Progress that lets something happen in the loop of the test after some rows, and waits until it has."""

    def __init__(self, action: Callable[[], None]) -> None:
        self._loop, self._action = asyncio.get_running_loop(), action
        self._done = threading.Event()

    def __call__(self, done: int, _: int | None) -> None:
        if done == ROWS // 2:
            self._loop.call_soon_threadsafe(lambda: (self._action(), self._done.set()))
            assert self._done.wait(30)


@pytest.mark.parametrize("ddl", [True, False])
async def test_a_cut_connection_leaves_no_row(
    server: Server, database: str, packed: Packed, load: Load, ddl: bool
) -> None:
    if not ddl:
        run_sql(server, TABLES[server.kind], database)
    async with tcp_proxy(server.host, server.port) as proxy:
        path = packed(content(server.kind, ddl=ddl))
        with pytest.raises(NetworkFailed, match="The connection to the target broke") as caught:
            await asyncio.to_thread(load, path, through(proxy, server, database), progress=Cutter(proxy.cut))
    left = "These tables were created and are empty: t." if ddl and server.kind == "mysql" else "was not changed"
    assert left in caught.value.reason
    assert server.password not in str(caught.value.document())
    if ddl and server.kind == "postgresql":
        run_sql(server, TABLES[server.kind], database)  # it is not there
    assert run_sql(server, "SELECT count(*) FROM t", database).strip() == "0"


async def test_a_connection_cut_at_the_commit_is_not_called_unchanged(
    server: Server, database: str, packed: Packed, load: Load
) -> None:
    async with tcp_proxy(server.host, server.port) as proxy:
        proxy.cut_before = b"COMMIT"
        with pytest.raises(NetworkFailed) as caught:
            await asyncio.to_thread(load, packed(content(server.kind, ddl=True)), through(proxy, server, database))
    assert "not known" in caught.value.reason and "not changed" not in caught.value.reason


async def test_a_target_that_goes_away_keeps_the_other_one_unchanged(
    server: Server, database: str, packed: Packed, load: Load, tmp_path: Path
) -> None:
    both = {"one": content(server.kind, ddl=True), "two": content("sqlite", ddl=True)}
    both["two"].files = {f"lite-{path}": data for path, data in both["two"].files.items()}
    both["two"].details = {f"lite-{path}": item for path, item in both["two"].details.items()}
    async with tcp_proxy(server.host, server.port) as proxy:
        urls = [f"one={through(proxy, server, database)}", f"two=sqlite:///{tmp_path}/two.db"]
        with pytest.raises(NetworkFailed):
            await asyncio.to_thread(load, packed(both), *urls, progress=Cutter(proxy.cut))
    assert not (tmp_path / "two.db").exists()


@contextmanager
def holding(server: Server, database: str, statement: str) -> Iterator[None]:
    """Somebody else's open transaction."""
    if server.kind == "mysql":
        other = pymysql.connect(
            host=server.host, port=server.port, user=server.user, password=server.password, database=database
        )
        with closing(other):
            other.cursor().execute(statement)
            yield
        return
    loop = asyncio.new_event_loop()
    url = server.url(database)

    async def begin() -> Any:
        connection = await asyncpg.connect(url)
        await connection.execute(f"BEGIN; {statement}")
        return connection

    connection = loop.run_until_complete(begin())
    try:
        yield
    finally:
        loop.run_until_complete(connection.close())
        loop.close()


def test_a_lock_of_somebody_else_is_waited_for_and_then_named(
    server: Server, database: str, packed: Packed, load: Load
) -> None:
    run_sql(server, TABLES[server.kind], database)
    path = packed(content(server.kind, ddl=False))
    whole = "LOCK TABLE t IN ACCESS EXCLUSIVE MODE" if server.kind == "postgresql" else "LOCK TABLES t WRITE"
    for statement in (whole, "INSERT INTO t VALUES (7, 'mine')"):
        with holding(server, database, statement), pytest.raises(TargetBusy, match="holds a lock") as caught:
            load(path, server.url(database), lock_seconds=1)
        assert caught.value.suggestions[0].endswith("--lock-timeout")
    load(path, server.url(database))


def test_a_locked_file_is_waited_for_and_then_named(packed: Packed, load: Load, tmp_path: Path) -> None:
    path, url = packed(content("sqlite", ddl=False)), f"sqlite:///{tmp_path}/t.db"
    for statement in ("BEGIN EXCLUSIVE", "BEGIN IMMEDIATE", "BEGIN; SELECT * FROM t"):
        (tmp_path / "t.db").unlink(missing_ok=True)
        with closing(sqlite3.connect(tmp_path / "t.db", isolation_level=None)) as other:
            other.executescript(f"{TABLES['sqlite']}; INSERT INTO t VALUES (1000, 'mine'), (1001, 'mine');")
            for part in statement.split(";"):
                cursor = other.execute(part)
            if "SELECT" in statement:
                cursor.fetchone()
            with pytest.raises(TargetBusy, match="holds a lock"):
                load(path, url, lock_seconds=0.7, mode="upsert")
            cursor.close()
            if other.in_transaction:
                other.execute("ROLLBACK")
            load(path, url, mode="upsert")
            assert other.execute("SELECT count(*) FROM t").fetchone() == (ROWS + 2,)


def test_a_row_beyond_the_packet_of_mysql_says_what_to_set(
    mariadb_server: Server, mariadb_database: str, packed: Packed, load: Load
) -> None:
    url = mariadb_server.url(mariadb_database)
    path = packed(content("mysql", ddl=True, size=17_000_000, rows=1))
    needed = r"rows of t need 170000\d\d bytes at once"
    with statements_only(mariadb_server), pytest.raises(LoadFailed, match=rf"01\.sql, line 1: {needed}") as caught:
        load(path, url)
    assert "max_allowed_packet" in caught.value.suggestions[0]
    load(path, url, mode="data")  # as data it has no such bound
    assert run_sql(mariadb_server, "SELECT length(name) FROM t", mariadb_database).strip() == "17000000"


def test_a_huge_row_is_loaded(postgres_server: Server, postgres_database: str, packed: Packed, load: Load) -> None:
    load(packed(content("postgresql", ddl=True, size=20_000_000, rows=1)), postgres_server.url(postgres_database))
    assert run_sql(postgres_server, "SELECT length(name) FROM t", postgres_database).strip() == "20000000"


@pytest.fixture
def spawn(package_key: PackageKey) -> Callable[..., subprocess.Popen[str]]:
    def start(path: Path, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        argv = [sys.executable, "-m", "hfit", "load", str(path), "--key", package_key.fingerprint, *arguments]
        return subprocess.Popen(argv, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options)

    return start


def wait_for(found: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_takes_everything_back_and_says_so(
    server: Server, database: str, packed: Packed, spawn: Callable[..., subprocess.Popen[str]], number: signal.Signals
) -> None:
    run_sql(server, TABLES[server.kind], database)
    path = packed(content(server.kind, ddl=False))
    waiting = {
        "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hfit'"
        f" AND datname = '{database}' AND wait_event_type = 'Lock'",
        "mysql": f"SELECT count(*) FROM information_schema.processlist WHERE db = '{database}'"
        " AND info LIKE 'LOAD DATA%'",
    }[server.kind]
    with holding(server, database, "INSERT INTO t VALUES (30, 'mine')"):
        process = spawn(path, "--into", server.url(database))
        wait_for(lambda: run_sql(server, waiting, database).strip() == "1")
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert err.strip() == "Interrupted. The target was not changed."
    wait_for(lambda: run_sql(server, "SELECT count(*) FROM t", database).strip() == "0")


def test_an_interruption_of_sqlite_takes_everything_back(
    packed: Packed, spawn: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    path = packed(content("sqlite", ddl=False))
    with closing(sqlite3.connect(tmp_path / "t.db", isolation_level=None)) as reader:
        reader.executescript(f"{TABLES['sqlite']}; CREATE TABLE other (a); INSERT INTO other VALUES (1), (2);")
        cursor = reader.execute("SELECT * FROM other")
        cursor.fetchone()  # whoever reads keeps the writer from its commit, and lets nobody else begin to read then
        process = spawn(path, "--mode", "data", "--into", f"sqlite:///{tmp_path}/t.db")
        wait_for(lambda: is_locked(tmp_path / "t.db"))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        cursor.close()
        assert (process.returncode, err.strip()) == (130, "Interrupted. The target was not changed.")
        assert reader.execute("SELECT count(*) FROM t").fetchone() == (0,)


def is_locked(path: Path) -> bool:
    """Asked by another process: those of one process share their locks."""
    program = f"import sqlite3; sqlite3.connect({str(path)!r}, timeout=0).execute('SELECT count(*) FROM t')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    return "database is locked" in done.stderr


@pytest.mark.parametrize("existed", [False, True])
def test_a_full_disk_leaves_the_file_as_it_was(
    packed: Packed, spawn: Callable[..., subprocess.Popen[str]], tmp_path: Path, existed: bool
) -> None:
    target = tmp_path / "t.db"
    if existed:
        with closing(sqlite3.connect(target)) as connection:
            connection.executescript("CREATE TABLE own (a); INSERT INTO own VALUES (7);")
    before = target.read_bytes() if existed else b""
    path = packed(content("sqlite", ddl=True, size=200_000))

    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    process = spawn(
        path, "--mode", "create", "--into", f"sqlite:///{target}", preexec_fn=little_room, env=environment
    )
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the target refused it" in err and "The target was not changed." in err
    assert (target.read_bytes() if target.exists() else b"") == before
    assert target.exists() is existed
    assert [item.name for item in tmp_path.glob("t.db-*")] == []


def test_a_folder_that_is_not_there_is_named(packed: Packed, load: Load, tmp_path: Path) -> None:
    with pytest.raises(HfitClientError, match=r"cannot be made") as caught:
        load(packed(content("sqlite", ddl=True)), f"sqlite:///{tmp_path}/no/such.db")
    assert caught.value.reason.startswith("There is no folder")
