"""Rows of MySQL sent as data: what is sent, to whom, and what becomes of rows that the server does not take."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymysql.err import OperationalError

from hfit.errors import LoadFailed, PackageInvalid
from hfit.load.grammar import MYSQL_ROWS
from hfit.load.interface import Target
from hfit.load.mysql_connection import TargetConnection
from hfit.load.mysql_rows import RowsReader, rows_end
from hfit.load.mysql_values import read_values
from tests.live.databases import data_statements, run_sql, statements_only
from tests.live.servers import Server
from tests.support.whole_packages import Content, Load, Packed

GREETING = (
    b"\x0a5.5.5-10.6.0-MariaDB\x00" + struct.pack("<I", 1) + b"12345678\x00" + struct.pack("<H", 0xFFFF)
    + b"\x2d" + struct.pack("<HH", 2, 0x000F) + b"\x15" + bytes(10) + b"123456789012\x00mysql_native_password\x00"
)  # fmt: skip
OK = b"\x00\x02\x00\x02\x00\x00\x00"  # two rows
WANTS_FILE = b"\xfb/etc/passwd"


@given(st.text("'\\(),\nXNUL0e-.a;", max_size=30).map(str.encode))
def test_rows_that_pass_the_quick_look_are_literals_and_counted(text: bytes) -> None:
    rows = RowsReader().read(text)
    if rows is not None:
        assert MYSQL_ROWS.fullmatch(text)
        assert len(list(read_values(text, 0))) == rows.count


def test_the_kinds_of_literals_are_told_apart_by_column() -> None:
    text = b"(1,'a''b),\n(',X'00fF',NULL),\n(-2.5e-7,NULL,NULL,'X')"
    rows = RowsReader().read(text)
    assert rows is not None and (rows.count, rows.bare, rows.quoted, rows.hexed) == (2, 0b1, 0b1010, 0b100)
    assert rows_end(b"x " + text + b";\n", 2) == len(text) + 2
    for other in (b"(1,X'0')", b"(1,X'0g')", b"('\\')", b"(f(1))", b"(e)", b"(1,)", b"('a')('b')", b"(0x61)", b""):
        assert RowsReader().read(other) is None


@asynccontextmanager
async def hostile(*answers: bytes) -> AsyncIterator[tuple[Target, list[bytes]]]:
    """A server that gives these answers to whatever comes, and keeps all that it hears after the login.

    The block ends when the client has gone.
    """
    heard: list[bytes] = []
    over = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def hear() -> tuple[int, bytes]:
            size = await reader.readexactly(4)
            return size[3], await reader.readexactly(int.from_bytes(size[:3], "little"))

        def say(number: int, data: bytes) -> None:
            writer.write(len(data).to_bytes(3, "little") + bytes([number % 256]) + data)

        try:
            say(0, GREETING)
            number, _ = await hear()
            say(number + 1, OK)
            for answer in answers:
                number, packet = await hear()
                heard.append(packet)
                while answer is OK and packet and len(heard) > 1:
                    number, packet = await hear()
                    heard.append(packet)
                say(number + 1, answer)
            heard.append(await reader.read())
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            over.set()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield Target("mysql", "x", "127.0.0.1", port, "me", tls="disable"), heard
        await over.wait()


async def test_s31_a_server_that_asks_for_a_file_gets_nothing_and_loses_the_connection() -> None:
    async with hostile(WANTS_FILE) as (target, heard):
        connection = TargetConnection(target)
        await connection._connect()
        with pytest.raises(OperationalError, match="asked for a file"):
            await connection.run(b"SELECT 1")
        assert not connection.in_step
    assert b"".join(heard) == b"\x03SELECT 1"


async def test_s31_a_server_gets_the_rows_whatever_file_it_names() -> None:
    async with hostile(WANTS_FILE, OK) as (target, heard):
        connection = TargetConnection(target)
        await connection._connect()
        await connection.begin_rows(b"LOAD DATA")
        await connection.send_rows(b"(1),\n(2),\n")
        assert await connection.end_rows() == (2, 0)
        assert connection.in_step
        connection.abort()
    assert heard[:3] == [b"\x03LOAD DATA", b"(1),\n(2),\n", b""] and not any(heard[3:])


COLUMNS = "(id int PRIMARY KEY, b bit(4), y year, e enum('1','2'), t text, d date, x varbinary(9), n decimal(4,1))"
NAMES = ("id", "b", "y", "e", "t", "d", "x", "n")
ROWS = "(0,5,2024,'2','NULL','2024-02-31',X'',1.5),\n(1,NULL,NULL,2,NULL,NULL,NULL,NULL)"


@pytest.mark.parametrize("columns", ["id", "id, t, d, x, n", "id, b", "id, y", "id, e", "id, n"])
def test_both_ways_to_send_rows_leave_the_same_values(
    columns: str, mariadb_server: Server, mariadb_database: str, packed: Packed, load: Load
) -> None:
    wanted = columns.split(", ")
    written = [line.strip("(),").split(",") for line in ROWS.split("\n")]
    rows = [dict(zip(NAMES, row, strict=True)) for row in written]
    text = ",\n".join("(" + ",".join(row[name] for name in wanted) + ")" for row in rows)
    listed = ", ".join(f"`{name}`" for name in wanted)
    made = Content("mariadb", "shop")
    made.add_rows("01.sql", f"INSERT INTO `c` ({listed}) VALUES\n{text};\n".encode(), "shop.c", 2)
    run_sql(mariadb_server, f"CREATE TABLE c {COLUMNS}", mariadb_database)
    path, url, before = packed(made), mariadb_server.url(mariadb_database), data_statements(mariadb_server)
    load(path, url)
    as_data = run_sql(mariadb_server, "SELECT *, HEX(x), b + 0 FROM c ORDER BY id", mariadb_database)
    assert (data_statements(mariadb_server) > before) is not bool({"b", "y", "e"} & set(wanted))
    with statements_only(mariadb_server):
        load(path, url, mode="replace")
    assert run_sql(mariadb_server, "SELECT *, HEX(x), b + 0 FROM c ORDER BY id", mariadb_database) == as_data


@pytest.mark.parametrize(
    ("rows", "said"),
    [("(7,'a'),\n(7,'b')", "Duplicate"), ("(1,'long')", "too long"), ("(1,NULL)", "null"), ("(1)", "count")],
)
def test_what_would_be_a_warning_of_data_is_the_error_of_the_statement(
    rows: str, said: str, mariadb_server: Server, mariadb_database: str, packed: Packed, load: Load
) -> None:
    run_sql(mariadb_server, "CREATE TABLE c (id int PRIMARY KEY, t char(3) NOT NULL)", mariadb_database)
    made = Content("mariadb", "shop")
    first = "INSERT INTO `c` (`id`, `t`) VALUES\n(3,'x');\n"
    made.add_rows("01.sql", f"{first}INSERT INTO `c` (`id`, `t`) VALUES\n{rows};\n".encode(), "shop.c", 3)
    before = data_statements(mariadb_server)
    with pytest.raises(LoadFailed, match=r"01\.sql, line 3") as caught:
        load(packed(made), mariadb_server.url(mariadb_database))
    assert said in caught.value.reason and data_statements(mariadb_server) > before
    assert run_sql(mariadb_server, "SELECT COUNT(*) FROM c", mariadb_database).strip() == "0"


NO_LITERALS = (
    "(LOAD_FILE('/etc/passwd'))", "((SELECT user FROM mysql.user LIMIT 1))", "(@@port)", "(1),\n(SLEEP(9))",
    "(1) ON DUPLICATE KEY UPDATE `p` = 1", "('a\\')", "(1/*!,1*/)", "(0x61)", "(1,)", "()",
)  # fmt: skip


def test_rows_that_are_no_literals_never_run(
    mariadb_server: Server, mariadb_database: str, packed: Packed, load: Load
) -> None:
    url = mariadb_server.url(mariadb_database)
    run_sql(mariadb_server, "CREATE TABLE c (p int)", mariadb_database)
    for values in NO_LITERALS:
        made = Content("mariadb", "shop")
        head = "INSERT INTO `c` (`p`) VALUES\n"
        made.add_rows("01.sql", f"{head}(5);\n{head}{values};\n".encode(), "shop.c", 2)
        path = packed(made)
        with pytest.raises(PackageInvalid, match=r"01\.sql"):
            load(path, url)
        with pytest.raises(PackageInvalid, match=r"01\.sql"):
            load(path, url, dry_run=True)
    with statements_only(mariadb_server), pytest.raises(PackageInvalid, match=r"01\.sql"):
        load(path, url)
    assert run_sql(mariadb_server, "SELECT COUNT(*) FROM c", mariadb_database).strip() == "0"
