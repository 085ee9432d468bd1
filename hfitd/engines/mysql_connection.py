"""One connection to MySQL or MariaDB that cannot be talked into anything.

Why it is safe, each number repeated where it is done:

1. One statement per command. The driver always asks for MULTI_STATEMENTS; inside a READ ONLY transaction
   ``select 1; commit; insert ...`` then writes. The flag is cleared, so the server refuses (1064).
2. No file of ours is ever sent. LOCAL_FILES is cleared, and a server that asks for a file anyway loses the connection.
3. No TLS downgrade. With ``tls`` other than "disable" a server that does not offer TLS is left before any name or
   password is sent; "verify-full" checks chain and host name, "require" only encrypts, or checks the chain alone
   when ``tls_ca`` is given.
4. A password never travels in the clear: methods that would send it so are refused without TLS.
5. The session is fixed (character set, sql_mode, time zone, limits, read-only) and read back; a server that keeps
   another setting is DbUnavailable. A connection serves one snapshot and is never used again.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiomysql
from pymysql.constants import CLIENT, COMMAND
from pymysql.err import OperationalError
from pymysql.protocol import MysqlPacket

from hfitd.config.model import ProviderConfig
from hfitd.engines.mysql_errors import translated
from hfitd.errors import DbUnavailable

CONNECT_TIMEOUT_SECONDS = 10.0
LOCK_WAIT_SECONDS = 2
IDLE_SECONDS = 600  # far above any pause of a job; only ends what a hung daemon would leave
SQL_MODE = "ALLOW_INVALID_DATES"  # nothing that changes quoting, NULL or padding; dates as they are stored

_CLEAR_TEXT = frozenset(("mysql_clear_password", "mysql_old_password", "dialog"))
_TLS_MISSING = 2026
_AUTHENTICATION = 2059


class SafeConnection(aiomysql.Connection):  # type: ignore[misc]
    """The driver's connection without the parts that give a server or a statement power over us."""

    def __init__(self, provider: ProviderConfig, database: str | None) -> None:
        self._writer: asyncio.StreamWriter | None = None  # the driver's destructor looks at it, however far we get
        password = provider.password.reveal() if provider.password else ""
        super().__init__(
            host=provider.host,
            port=provider.port or 3306,
            user=provider.user,
            # The driver encodes passwords as latin-1; this makes those bytes UTF-8, what servers expect.
            password=password.encode().decode("latin-1"),
            db=database,
            charset="utf8mb4",
            ssl=tls_context(provider),
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            local_infile=False,
            autocommit=None,
            program_name="hfitd",
        )
        self._result: Any = None
        self._reader: asyncio.StreamReader | None = None
        self.last_names: tuple[str, ...] = ()  # columns of the last ``command``
        self.client_flag &= ~(CLIENT.MULTI_STATEMENTS | CLIENT.LOCAL_FILES)  # 1, 2

    async def _request_authentication(self) -> None:
        if self._ssl_context and not self.server_capabilities & CLIENT.SSL:  # 3
            raise OperationalError(_TLS_MISSING, "the server does not offer TLS")
        self._refuse_clear_text(self._server_auth_plugin)
        await super()._request_authentication()

    async def _process_auth(self, plugin_name: bytes, auth_packet: MysqlPacket) -> object:
        self._refuse_clear_text(plugin_name.decode("ascii", "replace"))
        return await super()._process_auth(plugin_name, auth_packet)

    def _refuse_clear_text(self, method: str) -> None:  # 4
        if method in _CLEAR_TEXT and not self._ssl_context:
            raise OperationalError(_AUTHENTICATION, "the server asks for the password in the clear")

    async def command(self, sql: str) -> list[tuple[str | None, ...]]:
        """Run one of our own short statements and return all its rows as text."""
        await self.query(sql)
        rows: tuple[tuple[object, ...], ...] = self._result.rows or ()
        self.last_names = tuple(column[0] for column in self._result.description or ())
        self._result = None
        return [tuple(None if cell is None else _text(cell) for cell in row) for row in rows]

    async def start(self, command: int, payload: bytes) -> MysqlPacket:
        """Send a command and return its first packet; a request for a file ends the connection."""
        await self._execute_command(command, payload)
        packet: MysqlPacket = await self._read_packet()
        if command == COMMAND.COM_QUERY and packet.is_load_local_packet():  # 2
            self.abort()
            raise OperationalError(_TLS_MISSING, "the server asks for a local file")
        return packet

    async def packet(self, kind: type[MysqlPacket] = MysqlPacket) -> MysqlPacket:
        """The next packet of the running command; an error packet raises."""
        return await self._read_packet(kind)

    @property
    def reader(self) -> asyncio.StreamReader:
        """The bytes of the server; closed is an OperationalError."""
        if self._reader is None:
            raise OperationalError(2006, "the connection is closed")
        return self._reader

    def abort(self) -> None:
        """Close the socket now, without a word to the server and without reading what it still sends."""
        if self._writer is not None:
            self._writer.transport.abort()
        self._writer = self._reader = None


def _text(cell: object) -> str:
    return cell.decode("utf-8", "surrogateescape") if isinstance(cell, bytes) else str(cell)


def tls_context(provider: ProviderConfig) -> ssl.SSLContext | None:
    """How the provider's ``tls`` is kept: None only for "disable". An unreadable ``tls_ca`` is DbUnavailable."""
    if provider.tls == "disable":
        return None
    try:
        context = ssl.create_default_context(cafile=str(provider.tls_ca) if provider.tls_ca else None)
    except (OSError, ssl.SSLError) as error:
        raise DbUnavailable("The file of tls_ca of this provider cannot be read.") from error
    if provider.tls == "require":
        context.check_hostname = False
        if provider.tls_ca is None:
            context.verify_mode = ssl.CERT_NONE
    return context


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection with its fixed session."""

    connection: SafeConnection
    mariadb: bool
    version: str
    identity: str  # which server answered; a KILL goes nowhere else
    packet_bytes: int  # max_allowed_packet: beyond it CONCAT is NULL

    @property
    def engine(self) -> str:
        """The catalogue's word for this server."""
        return "mariadb" if self.mariadb else "mysql"


@asynccontextmanager
async def opened(provider: ProviderConfig, database: str | None) -> AsyncIterator[Opened]:
    """A connection with a fixed, checked session; its socket is closed when the block is left."""
    connection = SafeConnection(provider, database)
    try:
        with translated():
            async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
                await connection._connect()
                session = await _fix_session(connection, provider)
        yield session
    finally:
        connection.abort()


async def _fix_session(connection: SafeConnection, provider: ProviderConfig) -> Opened:
    """5: set what results depend on, then ask the server what it took."""
    ((version, identity, packet_bytes),) = await connection.command(
        "SELECT VERSION(), CONCAT_WS('/', @@hostname, @@port, @@server_id), @@max_allowed_packet"
    )
    mariadb = "mariadb" in (version or "").lower()
    seconds = max(provider.statement_timeout_seconds, 0.001)
    limit = f"max_statement_time={seconds:.3f}" if mariadb else f"max_execution_time={round(seconds * 1000)}"
    await connection.command("SET NAMES utf8mb4")
    await connection.command(
        f"SET SESSION sql_mode='{SQL_MODE}', time_zone='+00:00', lock_wait_timeout={LOCK_WAIT_SECONDS},"
        f" innodb_lock_wait_timeout={LOCK_WAIT_SECONDS}, net_write_timeout={round(seconds) + 60},"
        f" group_concat_max_len=1048576, sql_select_limit=DEFAULT, wait_timeout={IDLE_SECONDS}, {limit}"
    )
    await connection.command("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    await connection.command("SET SESSION TRANSACTION READ ONLY")
    kept = await connection.command(
        "SELECT @@sql_mode, @@time_zone, @@character_set_client, @@character_set_connection, @@character_set_results"
    )
    if kept != [(SQL_MODE, "+00:00", "utf8mb4", "utf8mb4", "utf8mb4")]:
        raise DbUnavailable("The database does not keep the session settings that exact results need.")
    return Opened(connection, mariadb, version or "", identity or "", int(packet_bytes or 0))
