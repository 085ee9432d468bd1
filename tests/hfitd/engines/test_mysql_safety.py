"""What a statement, a server or a leaving reader cannot do to a MySQL provider."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from hfitd.config.model import ProviderConfig, Secret
from hfitd.engines.interface import Format, Output, Select
from hfitd.engines.mysql import MysqlEngine
from hfitd.engines.mysql_connection import SafeConnection, opened
from hfitd.engines.mysql_errors import translated
from hfitd.engines.mysql_grants import powers_of
from hfitd.errors import DbUnavailable, Internal, LoginRefused, ParamInvalid, SqlRefused
from hfitd.sql import bind, text
from tests.live.certificates import Certificates, make_certificates
from tests.live.databases import run_sql
from tests.live.servers import Server
from tests.support.mysql_world import mysql_provider

SECRET_PASSWORD = "s3cret-for-the-wire"


def plain(words: str, *names: str) -> Select:
    return Select(text(words), tuple(map(Output, names or ("a",))))


class Nothing:
    async def write(self, data: bytes) -> None:
        pass


# --- the driver --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attack", ["SELECT 1; COMMIT; INSERT INTO w VALUES (2)", "COMMIT; INSERT INTO w VALUES (2)"])
async def test_s01_the_driver_itself_refuses_stacked_statements(
    mariadb_server: Server, mariadb_database: str, attack: str
) -> None:
    run_sql(mariadb_server, "CREATE TABLE w (a int); INSERT INTO w VALUES (1);", mariadb_database)
    async with opened(mysql_provider(mariadb_server, mariadb_database), mariadb_database) as session:
        await session.connection.command("START TRANSACTION READ ONLY")
        with pytest.raises(SqlRefused), translated():
            await session.connection.command(attack)
    assert run_sql(mariadb_server, "SELECT count(*) FROM w;", mariadb_database).strip() == "1"


async def test_s01_a_write_is_refused_even_after_a_commit(mariadb_server: Server, mariadb_database: str) -> None:
    run_sql(mariadb_server, "CREATE TABLE w (a int);", mariadb_database)
    async with opened(mysql_provider(mariadb_server, mariadb_database), mariadb_database) as session:
        await session.connection.command("START TRANSACTION READ ONLY")
        await session.connection.command("COMMIT")
        with pytest.raises(SqlRefused), translated():
            await session.connection.command("INSERT INTO w VALUES (2)")
    assert run_sql(mariadb_server, "SELECT count(*) FROM w;", mariadb_database).strip() == "0"


async def test_the_session_is_fixed_whatever_the_server_prefers(mariadb_server: Server, mariadb_database: str) -> None:
    run_sql(mariadb_server, "SET GLOBAL sql_mode='ANSI_QUOTES,NO_BACKSLASH_ESCAPES', GLOBAL time_zone='+05:00';")
    try:
        engine = MysqlEngine(mysql_provider(mariadb_server, mariadb_database))
        async with engine.snapshot() as snapshot:
            names = [
                "sql_mode",
                "time_zone",
                "character_set_client",
                "lock_wait_timeout",
                "tx_isolation",
                "tx_read_only",
            ]
            rows = await snapshot.rows(plain("SELECT " + ", ".join(f"@@{name}" for name in names), *names), 1)
        assert rows == [("ALLOW_INVALID_DATES", "+00:00", "utf8mb4", "2", "REPEATABLE-READ", "1")]
    finally:
        run_sql(mariadb_server, "SET GLOBAL sql_mode=DEFAULT, GLOBAL time_zone='SYSTEM';")


async def test_a_password_may_have_any_characters(mariadb_server: Server, mariadb_database: str) -> None:
    run_sql(mariadb_server, "CREATE OR REPLACE USER odd@'127.0.0.1' IDENTIFIED BY 'p€ß🙂\\'x';")
    provider = mysql_provider(mariadb_server, "", user="odd", password=Secret("p€ß🙂'x"))
    assert (await MysqlEngine(provider).check()).engine == "mariadb"
    with pytest.raises(LoginRefused, match="login") as caught:
        await MysqlEngine(replace(provider, password=Secret("wrong"))).check()
    assert "odd" not in str(caught.value)


async def test_a_text_its_column_cannot_hold_is_a_parameter_error(
    mariadb_server: Server, mariadb_database: str
) -> None:
    run_sql(mariadb_server, "CREATE TABLE t (l varchar(9) CHARACTER SET latin1);", mariadb_database)
    engine = MysqlEngine(mysql_provider(mariadb_server, mariadb_database))
    async with engine.snapshot() as snapshot:
        with pytest.raises(ParamInvalid):
            await snapshot.rows(
                Select(text("SELECT l FROM t WHERE l = ") + bind("🙂", "varchar(9)"), (Output("l"),)), 1
            )
        assert await snapshot.rows(plain("SELECT 1"), 1) == [("1",)], "a refused statement leaves the snapshot usable"


@pytest.mark.parametrize(
    "words",
    [
        "SELECT extractvalue(1, concat(0x7e, (SELECT token FROM secret)))",
        "SELECT exp(if((SELECT token FROM secret) LIKE 'TOP%', 1000000, 0))",
        "SELECT no_such_column FROM secret",
        "SELECT nonsense nonsense nonsense",
    ],
)
async def test_s25_errors_never_carry_the_servers_words(
    mariadb_server: Server, mariadb_database: str, words: str
) -> None:
    run_sql(
        mariadb_server, "CREATE TABLE secret (token text); INSERT INTO secret VALUES ('TOPSECRET');", mariadb_database
    )
    engine = MysqlEngine(mysql_provider(mariadb_server, mariadb_database))
    async with engine.snapshot() as snapshot:
        try:
            rows = await snapshot.rows(plain(words), 5)
        except Exception as error:
            shown = repr(error) + repr(error.__cause__) + str(error)
            assert "TOPSECRET" not in shown
            assert "no_such_column" not in shown
            assert "nonsense" not in shown
        else:
            assert "TOPSECRET" not in repr(rows), "an XPATH warning is no error on MariaDB"


# --- the server --------------------------------------------------------------------------------------------------


@dataclass
class Rogue:
    """A server of our own that speaks just enough of the protocol to attack its client."""

    port: int = 0
    received: bytearray = field(default_factory=bytearray)


Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter, Rogue], Awaitable[None]]
CLIENT_SSL = 1 << 11


def packet(number: int, payload: bytes) -> bytes:
    return struct.pack("<I", len(payload))[:3] + bytes([number]) + payload


def greeting(capabilities: int, method: bytes = b"mysql_native_password") -> bytes:
    low, high = capabilities & 0xFFFF, capabilities >> 16
    head = b"\x0a5.5.5-10.11.0-MariaDB\0" + struct.pack("<I", 7) + b"12345678\0"
    return packet(
        0, head + struct.pack("<HBHHB", low, 45, 2, high, 21) + bytes(10) + b"123456789012\0" + method + b"\0"
    )


ALL_BUT_TLS = 0x00FFFFFF & ~CLIENT_SSL & ~(1 << 24) & ~(1 << 5)
OK = b"\x00\x00\x00\x02\x00\x00\x00"


async def read(reader: asyncio.StreamReader, rogue: Rogue) -> bytes:
    header = await reader.readexactly(4)
    body = await reader.readexactly(int.from_bytes(header[:3], "little"))
    rogue.received += header + body
    return body


@asynccontextmanager
async def rogue_server(script: Script) -> AsyncIterator[Rogue]:
    rogue = Rogue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await script(reader, writer, rogue)
            rogue.received += await reader.read(1 << 20)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    rogue.port = server.sockets[0].getsockname()[1]
    async with server:
        yield rogue


def rogue_provider(rogue: Rogue, tls: str = "disable") -> ProviderConfig:
    return ProviderConfig(
        "r", "mysql", port=rogue.port, user="someone", password=Secret(SECRET_PASSWORD), database="d", tls=tls
    )


async def test_s31_no_file_is_sent_to_a_server_that_asks_for_one(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("CONTENT-OF-OUR-FILE")

    async def ask_for_file(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rogue: Rogue) -> None:
        writer.write(greeting(ALL_BUT_TLS | 1 << 7))
        await read(reader, rogue)
        writer.write(packet(2, OK))
        await read(reader, rogue)
        writer.write(packet(1, b"\xfb" + str(secret).encode()))

    async with rogue_server(ask_for_file) as rogue:
        with pytest.raises(DbUnavailable):
            await MysqlEngine(rogue_provider(rogue)).check()
        assert b"CONTENT-OF-OUR-FILE" not in rogue.received
        assert b"someone" in rogue.received
        (flags,) = struct.unpack_from("<I", rogue.received, 4)
        assert not flags & (1 << 7), "LOCAL_FILES is not offered"
        assert not flags & (1 << 16), "MULTI_STATEMENTS is not offered"


async def test_s31_a_file_request_in_place_of_rows_ends_the_connection(tmp_path: Path) -> None:
    async def ask_for_file(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rogue: Rogue) -> None:
        writer.write(greeting(ALL_BUT_TLS | 1 << 7))
        await read(reader, rogue)
        writer.write(packet(2, OK))
        await read(reader, rogue)
        writer.write(packet(1, b"\xfb/etc/hostname"))

    async with rogue_server(ask_for_file) as rogue:
        connection = SafeConnection(rogue_provider(rogue), None)
        await connection._connect()
        with pytest.raises(DbUnavailable), translated():
            await connection.start(3, b"SELECT 1")
        assert connection.closed


@pytest.mark.parametrize("tls", ["require", "verify-full"])
async def test_s31_a_server_without_tls_gets_neither_name_nor_password(tls: str) -> None:
    async def without_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rogue: Rogue) -> None:
        writer.write(greeting(ALL_BUT_TLS))

    async with rogue_server(without_tls) as rogue:
        with pytest.raises(DbUnavailable):
            await MysqlEngine(rogue_provider(rogue, tls)).check()
        await asyncio.sleep(0)
        assert not rogue.received


@pytest.mark.parametrize("at_once", [True, False])
async def test_s31_a_password_is_never_sent_in_the_clear(at_once: bool) -> None:
    async def clear_text(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rogue: Rogue) -> None:
        writer.write(greeting(ALL_BUT_TLS | 1 << 19, b"mysql_clear_password" if at_once else b"mysql_native_password"))
        await read(reader, rogue)
        writer.write(packet(2, b"\xfemysql_clear_password\0"))

    async with rogue_server(clear_text) as rogue:
        with pytest.raises(LoginRefused):
            await MysqlEngine(rogue_provider(rogue)).check()
        assert SECRET_PASSWORD.encode() not in rogue.received


@pytest.mark.parametrize("noise", [b"", b"\xff" * 40, b"HTTP/1.1 400 Bad Request\r\n\r\n", packet(0, b"\x0a5.5")])
async def test_o07_a_peer_that_is_no_server_is_unavailable(noise: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hfitd.engines.mysql_connection.CONNECT_TIMEOUT_SECONDS", 0.3)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rogue: Rogue) -> None:
        writer.write(noise)

    async with rogue_server(talk) as rogue:
        with pytest.raises(DbUnavailable):
            await MysqlEngine(rogue_provider(rogue)).check()


async def test_tls_is_checked_as_configured(mariadb_tls_server: Server, mariadb_server: Server, tmp_path: Path) -> None:
    provider = mysql_provider(mariadb_tls_server, "", tls="verify-full", tls_ca=mariadb_tls_server.tls_ca)
    async with opened(provider, None) as session:
        ((_, cipher),) = await session.connection.command("SHOW STATUS LIKE 'Ssl_cipher'")
    assert cipher
    assert (await MysqlEngine(replace(provider, tls="require", tls_ca=None)).check()).version
    stranger: Certificates = make_certificates(tmp_path)
    for refused in (
        replace(provider, tls_ca=stranger.authority),
        replace(provider, tls_ca=None),
        replace(provider, tls="require", tls_ca=stranger.authority),
        replace(provider, tls_ca=tmp_path / "missing.pem"),
        mysql_provider(mariadb_server, "", tls="require"),
    ):
        with pytest.raises(DbUnavailable):
            await MysqlEngine(refused).check()


# --- loss and concurrency ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kill", ["KILL", "KILL QUERY"])
async def test_o07_a_query_killed_on_the_server_is_unavailable(
    mariadb_server: Server, mariadb_database: str, kill: str
) -> None:
    engine = MysqlEngine(mysql_provider(mariadb_server, mariadb_database))
    words = "SELECT repeat('x', 1000) FROM seq_1_to_100000"
    with pytest.raises(DbUnavailable):
        async with engine.snapshot() as snapshot:
            ((number,),) = await snapshot.rows(plain("SELECT CONNECTION_ID()"), 1)
            async with snapshot.batches(plain(words), 100) as batches:
                assert len(await anext(batches)) == 100
                run_sql(mariadb_server, f"{kill} {number};")
                async for _ in batches:
                    pass
    async with engine.snapshot() as snapshot:
        assert await snapshot.rows(plain("SELECT 1"), 1) == [("1",)]


async def test_a_reader_that_leaves_a_stream_ends_its_query(mariadb_server: Server, mariadb_database: str) -> None:
    engine = MysqlEngine(mysql_provider(mariadb_server, mariadb_database))
    words = "SELECT repeat('left', 250) FROM seq_1_to_3000000"
    async with engine.snapshot() as snapshot:
        async with snapshot.batches(plain(words), 10) as batches:
            await anext(batches)
        with pytest.raises(DbUnavailable):
            await snapshot.rows(plain("SELECT 1"), 1)
    counted = "SELECT count(*) FROM information_schema.processlist WHERE info LIKE '%left%' AND id <> CONNECTION_ID();"
    for _ in range(40):
        if run_sql(mariadb_server, counted).strip() == "0":
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the query still runs after 2 s")


async def test_tasks_share_a_snapshot_by_turns_and_none_waits_for_itself(
    mariadb_server: Server, mariadb_database: str
) -> None:
    engine = MysqlEngine(mysql_provider(mariadb_server, mariadb_database))
    words = "SELECT seq FROM seq_1_to_5000"
    async with engine.snapshot() as snapshot:
        done = await asyncio.gather(
            *(snapshot.render(plain(words), Format.CSV, Nothing()) for _ in range(4)), snapshot.rows(plain(words), 3)
        )
        assert [getattr(item, "rows", item) for item in done] == [5000] * 4 + [[("1",), ("2",), ("3",)]]
        with pytest.raises(Internal):
            async with snapshot.batches(plain(words), 10) as batches:
                async for _ in batches:
                    await snapshot.rows(plain("SELECT 1"), 1)


async def test_streaming_never_holds_the_loop_for_long(mariadb_server: Server, mariadb_database: str) -> None:
    """A ticker beside a large export keeps ticking: between two ticks at most a few batches are worked off."""
    engine = MysqlEngine(mysql_provider(mariadb_server, mariadb_database))
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticker = asyncio.create_task(tick())
    async with engine.snapshot() as snapshot:
        before = ticks
        await snapshot.render(
            plain("SELECT seq, repeat('x', 50) FROM seq_1_to_100000", "a", "b"), Format.SQL, Nothing()
        )
    ticker.cancel()
    assert ticks - before > 40, "at least one tick for each 128 KiB read"


# --- the role ----------------------------------------------------------------------------------------------------


async def test_check_warns_of_what_the_role_could_do(mariadb_server: Server, mariadb_database: str) -> None:
    report = await MysqlEngine(mysql_provider(mariadb_server, mariadb_database)).check()
    assert len([line for line in report.excess if "FILE" in line or "SUPER" in line or "PROCESS" in line]) == 3
    assert any("GRANT OPTION" in line for line in report.excess)
    run_sql(
        mariadb_server,
        f"CREATE OR REPLACE USER reader@'127.0.0.1' IDENTIFIED BY 'r'; GRANT SELECT ON `{mariadb_database}`.* TO"
        " reader@'127.0.0.1';",
    )
    reader = mysql_provider(mariadb_server, mariadb_database, user="reader", password=Secret("r"))
    assert await powers(reader) == ((), ())
    run_sql(
        mariadb_server,
        f"GRANT LOCK TABLES ON `{mariadb_database}`.* TO reader@'127.0.0.1'; CREATE OR REPLACE ROLE hfit_writer;"
        f" GRANT EVENT ON `{mariadb_database}`.* TO hfit_writer; GRANT hfit_writer TO reader@'127.0.0.1';",
    )
    warnings, excess = await powers(reader)
    assert "LOCK TABLES" in warnings[0] and "EVENT" in excess[0], "a role that it can take on counts"
    run_sql(mariadb_server, "SET DEFAULT ROLE hfit_writer FOR reader@'127.0.0.1';")
    (said,) = (await powers(reader))[1]
    assert "EVENT" in said
    run_sql(mariadb_server, "DROP ROLE hfit_writer; DROP USER reader@'127.0.0.1';")


async def powers(provider: ProviderConfig) -> tuple[tuple[str, ...], tuple[str, ...]]:
    report = await MysqlEngine(provider).check()
    return report.warnings, report.excess


async def test_max_lag_needs_a_role_that_may_ask(mariadb_server: Server, mariadb_database: str) -> None:
    root = mysql_provider(mariadb_server, mariadb_database, max_lag_seconds=0.001)
    async with MysqlEngine(root).snapshot() as snapshot:
        assert snapshot.position
    run_sql(
        mariadb_server,
        f"CREATE OR REPLACE USER lagging@'127.0.0.1' IDENTIFIED BY 'r'; GRANT SELECT ON `{mariadb_database}`.* TO"
        " lagging@'127.0.0.1';",
    )
    reader = replace(root, user="lagging", password=Secret("r"))
    with pytest.raises(DbUnavailable, match="REPLICA MONITOR"):
        await MysqlEngine(reader).check()
    run_sql(mariadb_server, "GRANT REPLICA MONITOR ON *.* TO lagging@'127.0.0.1';")
    assert await powers(reader) == ((), ())
    run_sql(mariadb_server, "DROP USER lagging@'127.0.0.1';")


def test_grants_are_read_as_the_server_prints_them() -> None:
    warnings, found = powers_of(
        [
            "GRANT USAGE ON *.* TO `u`@`%` IDENTIFIED BY PASSWORD '*ABCDEF'",
            "GRANT SELECT (`FILE`, `a,b`, `x)`), UPDATE (`c`) ON `d``b`.`t` TO `u`@`%`",
            "GRANT SELECT ON `s`.* TO `u`@`%` WITH GRANT OPTION",
            "GRANT PROXY ON ''@'%' TO 'root'@'localhost' WITH GRANT OPTION",
        ]
    )
    assert len(found) == 3 and not warnings
    assert "PROXY" in found[0]
    assert "UPDATE" in found[1] and "FILE" not in found[1]
    assert "GRANT OPTION" in found[2]
    assert not any("ABCDEF" in line for line in found)


async def test_a_select_only_role_sees_foreign_keys(mariadb_server: Server, nasty_mariadb: str) -> None:
    run_sql(
        mariadb_server,
        "CREATE OR REPLACE USER nreader@'127.0.0.1' IDENTIFIED BY 'r'; GRANT SELECT ON nasty.* TO nreader@'127.0.0.1';",
    )
    reader = mysql_provider(mariadb_server, nasty_mariadb, user="nreader", password=Secret("r"), databases=("nasty*",))
    engine = MysqlEngine(reader)
    async with engine.snapshot() as snapshot:
        catalog = await snapshot.catalog()
    assert len([key for key in catalog.foreign_keys if key.table.schema == "nasty"]) > 40
    assert {name.schema for name in catalog.tables} == {"nasty"}
    assert await engine.databases() == ["nasty"]
