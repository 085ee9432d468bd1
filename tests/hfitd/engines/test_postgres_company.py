"""Several connections of one snapshot: together they see what one would, and they are never missed by others."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace

import asyncpg
import pytest
import pytest_asyncio

from hfitd.config.model import Secret
from hfitd.engines.interface import Format, Further, Output, Select, Served, Snapshot
from hfitd.engines.places import Places
from hfitd.engines.postgres import PostgresEngine
from hfitd.errors import DbUnavailable
from hfitd.model import TableName
from hfitd.sql import bind, text
from tests.live.databases import create_database, drop_database, run_sql
from tests.live.servers import Server
from tests.support.engine_worlds import postgres_provider

DATABASE = "company"
ROWS = 60_000
TABLE = (
    "CREATE TABLE big (id int PRIMARY KEY, filler text, kind int);"
    f"INSERT INTO big SELECT i, repeat(md5(i::text), 20), i % 3 FROM generate_series(1, {ROWS}) i;"
)
CHANGES = (
    "UPDATE big SET kind = 7 WHERE id % 2 = 0; DELETE FROM big WHERE id % 5 = 0;"
    "INSERT INTO big SELECT -i, 'new', 9 FROM generate_series(1, 5000) i;"
)
COUNTING = f"SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hfitd' AND datname = '{DATABASE}'"


class Kept:
    """A sink that keeps everything, and does something at its first bytes of rows."""

    def __init__(self, begun: Callable[[], object] | None = None) -> None:
        self.pieces: list[bytes] = []
        self._begun = begun

    async def write(self, data: bytes) -> None:
        self.pieces.append(data)
        if self._begun is not None and len(self.pieces) == 2:
            await asyncio.to_thread(self._begun)

    @property
    def lines(self) -> list[bytes]:
        """The rows, sorted."""
        body = b"".join(self.pieces).partition(b"FROM stdin;\n")[2]
        assert body.endswith(b"\\.\n\n")
        return sorted(body.removesuffix(b"\\.\n\n").splitlines())


@pytest.fixture(scope="module")
def server(postgres_server: Server) -> Iterator[Server]:
    """With a table that is worth several connections."""
    create_database(postgres_server, DATABASE)
    run_sql(postgres_server, TABLE, DATABASE)
    yield postgres_server
    drop_database(postgres_server, DATABASE)


@pytest_asyncio.fixture
async def engine(server: Server) -> AsyncIterator[PostgresEngine]:
    made = PostgresEngine(postgres_provider(server, DATABASE, max_connections=8))
    yield made
    await made.close()


def rows_of(table: str = "big", *, of_kind: str | None = None, masked: bool = False, parts: bool = True) -> Select:
    """All rows, or those of a kind, as they come."""
    sql, word = text(f"SELECT id, filler, kind FROM ONLY public.{table}"), " WHERE "
    if of_kind is not None:
        sql, word = sql + text(" WHERE (kind = ") + bind(of_kind, "integer") + text(")"), " AND "
    outputs = (Output("id"), Output("filler", (lambda value: value[:3]) if masked else None), Output("kind"))
    further = Further(TableName("public", table), word) if parts else None
    return Select(sql, outputs, into=f"public.{table}", further=further)


async def rendered(engine: PostgresEngine, select: Select, begun: Callable[[], object] | None = None) -> Kept:
    sink = Kept(begun)
    async with engine.snapshot() as snapshot:
        receipt = await snapshot.render(select, Format.SQL, sink)
    assert (receipt.rows, receipt.size) == (len(sink.lines), sum(map(len, sink.pieces)))
    return sink


@pytest.mark.parametrize("of_kind", [None, "2"])
@pytest.mark.parametrize("masked", [False, True])
async def test_several_connections_give_each_row_once_as_one_does(
    engine: PostgresEngine, of_kind: str | None, *, masked: bool
) -> None:
    together = await rendered(engine, rows_of(of_kind=of_kind, masked=masked))
    alone = await rendered(engine, rows_of(of_kind=of_kind, masked=masked, parts=False))
    assert len(alone.lines) == (ROWS if of_kind is None else ROWS // 3)
    assert together.lines == alone.lines


async def test_what_is_written_after_the_snapshot_is_seen_by_none_of_them(
    engine: PostgresEngine, server: Server
) -> None:
    before = await rendered(engine, rows_of(parts=False))
    try:
        sink = Kept()
        async with engine.snapshot() as snapshot:
            await snapshot.catalog()
            run_sql(server, CHANGES, DATABASE)
            await snapshot.render(rows_of(), Format.SQL, sink)
        assert sink.lines == before.lines
    finally:
        run_sql(server, "DROP TABLE big;" + TABLE, DATABASE)


async def test_r10_a_large_table_is_read_by_half_of_the_connections_and_a_small_one_by_one(
    engine: PostgresEngine, server: Server
) -> None:
    seen: list[int] = []
    await rendered(engine, rows_of(), lambda: seen.append(int(run_sql(server, COUNTING))))
    await rendered(engine, rows_of(parts=False), lambda: seen.append(int(run_sql(server, COUNTING))))
    assert seen == [3, 1], "one for each run of pages, at most four"
    assert int(run_sql(server, COUNTING)) == 0, "none of them is kept, for a caller's words ran there"


async def test_r10_others_keep_their_half_and_who_waits_comes_first(server: Server) -> None:
    places = Places("shop", 4)
    engine = PostgresEngine(postgres_provider(server, DATABASE, max_connections=4), places)
    seen: list[tuple[int, bool]] = []
    try:
        await rendered(engine, rows_of(), lambda: seen.append((places.taken, places.has_spare)))
        async with places.take("other"):
            await rendered(engine, rows_of(), lambda: seen.append((places.taken, places.has_spare)))
    finally:
        await engine.close()
    assert seen == [(2, False), (2, False)]


async def test_statements_at_the_same_time_have_a_connection_each(engine: PostgresEngine, server: Server) -> None:
    sinks = [Kept() for _ in range(6)]

    async def draw(snapshot: Snapshot, sink: Kept) -> None:
        await snapshot.render(rows_of(parts=False), Format.SQL, sink)

    async with engine.snapshot() as snapshot, asyncio.TaskGroup() as tasks:
        for sink in sinks:
            tasks.create_task(draw(snapshot, sink))
        while not all(len(sink.pieces) > 1 for sink in sinks[:4]):
            await asyncio.sleep(0.001)
        assert int(await asyncio.to_thread(run_sql, server, COUNTING)) == 4
    assert [len(sink.lines) for sink in sinks] == [ROWS] * 6


async def test_a_connection_that_would_log_a_masks_key_takes_no_part(engine: PostgresEngine, server: Server) -> None:
    copying = COUNTING + " AND state = 'active' AND query LIKE 'COPY%'"
    plain = rows_of()
    select = replace(plain, served=Served(plain.sql, plain.outputs, secret=True))
    seen: list[int] = []
    try:
        for change in ("RESET log_statement", "SET log_statement = 'all'"):
            sink = Kept(lambda: seen.append(int(run_sql(server, copying))))
            async with engine.snapshot() as snapshot:
                await snapshot.catalog()
                run_sql(server, f"ALTER DATABASE {DATABASE} {change};")
                await snapshot.render(select, Format.SQL, sink)
            assert len(sink.lines) == ROWS
    finally:
        run_sql(server, f"ALTER DATABASE {DATABASE} RESET log_statement;")
    assert seen[0] > 1
    assert seen[1] == 1


async def test_o07_when_one_of_them_is_lost_the_whole_reading_fails_and_all_end(
    engine: PostgresEngine, server: Server
) -> None:
    newest = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hfitd'"
        f" AND datname = '{DATABASE}' AND state = 'active' ORDER BY backend_start DESC LIMIT 1"
    )
    with pytest.raises(DbUnavailable):
        await rendered(engine, rows_of(), lambda: run_sql(server, newest))
    assert int(run_sql(server, COUNTING)) == 0
    assert len((await rendered(engine, rows_of())).lines) == ROWS


async def test_an_error_of_the_sink_is_raised_as_it_is(engine: PostgresEngine, server: Server) -> None:
    def full() -> None:
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        await rendered(engine, rows_of(), full)
    assert int(run_sql(server, COUNTING)) == 0


@contextlib.asynccontextmanager
async def balanced(first: Server, other: Server, snapshot_id: bytes | None) -> AsyncIterator[Server]:
    """An address where the first connection reaches one server and all later ones another; that one finds a snapshot
    under the very name that it is asked for, or none without a ``snapshot_id``."""
    met: list[Server] = []

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, renames: bool) -> None:
        with contextlib.suppress(OSError), contextlib.closing(writer):
            while data := await reader.read(1 << 16):
                if renames and snapshot_id is not None:
                    data = re.sub(rb"(?<=TRANSACTION SNAPSHOT ')[^']*", snapshot_id, data)
                writer.write(data)
                await writer.drain()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met.append(other if met else first)
        there, back = await asyncio.open_connection(met[-1].host, met[-1].port)
        await asyncio.gather(
            pass_on(reader, back, renames=met[-1] is other), pass_on(there, writer, renames=False)
        )

    async with await asyncio.start_server(serve, "127.0.0.1") as listening:
        yield dataclasses.replace(first, port=listening.sockets[0].getsockname()[1])
    assert len(met) > 1, "a further connection was tried"


@pytest.mark.parametrize("known", [True, False], ids=["a-name-it-has", "a-name-it-has-not"])
async def test_a_snapshot_is_never_continued_at_another_server_behind_the_same_address(
    server: Server, postgres_new_server: Server, *, known: bool
) -> None:
    create_database(postgres_new_server, DATABASE)
    run_sql(postgres_new_server, TABLE.replace("% 3", "% 3 + 100"), DATABASE)
    exporter = await asyncpg.connect(
        host=postgres_new_server.host, port=postgres_new_server.port, user=postgres_new_server.user,
        password=postgres_new_server.password, database=DATABASE,
    )  # fmt: skip
    try:
        await exporter.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        name = await exporter.fetchval("SELECT pg_export_snapshot()")
        async with balanced(server, postgres_new_server, name.encode() if known else None) as address:
            engine = PostgresEngine(postgres_provider(address, DATABASE, max_connections=8))
            try:
                sink = await rendered(engine, rows_of())
            finally:
                await engine.close()
    finally:
        await exporter.close()
        drop_database(postgres_new_server, DATABASE)
    assert len(sink.lines) == ROWS and not any(line.split(b"\t")[2].startswith(b"10") for line in sink.lines)


async def test_who_may_not_export_a_snapshot_reads_alone(server: Server) -> None:
    run_sql(server, "CREATE ROLE lone LOGIN PASSWORD 'lone'; GRANT SELECT ON big TO lone;"
                    " REVOKE EXECUTE ON FUNCTION pg_export_snapshot() FROM PUBLIC;", DATABASE)  # fmt: skip
    seen: list[int] = []
    engine = PostgresEngine(
        postgres_provider(server, DATABASE, max_connections=8, user="lone", password=Secret("lone"))
    )
    try:
        sink = await rendered(engine, rows_of(), lambda: seen.append(int(run_sql(server, COUNTING))))
    finally:
        await engine.close()
        run_sql(server, "GRANT EXECUTE ON FUNCTION pg_export_snapshot() TO PUBLIC;"
                        " DROP OWNED BY lone; DROP ROLE lone;", DATABASE)  # fmt: skip
    assert (len(sink.lines), seen) == (ROWS, [1])
