"""A connection to a MySQL or MariaDB target that gives neither server nor package any power over this machine.

1. One statement per command: the flag for several, which the driver always sets, is cleared.
2. No file is ever opened. A server is given rows out of memory while a LOAD DATA of ours runs, whatever it calls the
   file that it asks for; one that asks at any other time loses the connection.
3. No TLS downgrade: with ``require`` or ``verify-full`` a server without TLS is left before anything is sent.
4. A password never travels in the clear, except through a Unix socket.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiomysql
from pymysql.connections import OKPacketWrapper
from pymysql.constants import CLIENT, COMMAND
from pymysql.err import MySQLError, OperationalError

from hfit.load.interface import ServerName, Target

CONNECT_SECONDS = 10.0
FIRST_CLIENT_ERROR = 2000  # below are the server's own
_CLEAR_TEXT = frozenset(("mysql_clear_password", "mysql_old_password", "dialog"))
_TLS_MISSING, _AUTHENTICATION, _OUT_OF_STEP = 2026, 2059, 2014
_PACKET_BYTES = 1 << 20


class TargetConnection(aiomysql.Connection):  # type: ignore[misc]
    """The driver's connection, hardened as the module says."""

    def __init__(self, target: Target) -> None:
        self._writer: asyncio.StreamWriter | None = None  # the driver's destructor looks at it
        super().__init__(
            host=target.host,
            port=target.port,
            unix_socket=target.socket or None,
            user=target.user,
            # the driver encodes passwords as latin-1; this makes those bytes UTF-8
            password=target.password.encode().decode("latin-1"),
            db=target.database,
            charset="utf8mb4",
            ssl=_context(target),
            connect_timeout=CONNECT_SECONDS,
            local_infile=False,
            autocommit=None,
            program_name="hfit",
        )
        self._local = bool(target.socket)
        self._result: Any = None
        self.in_step = False  # whether the next statement can be sent
        self.client_flag &= ~CLIENT.MULTI_STATEMENTS  # 1
        self.client_flag |= CLIENT.LOCAL_FILES  # or the server would refuse LOAD DATA; 2

    async def _request_authentication(self) -> None:
        if self._ssl_context and not self.server_capabilities & CLIENT.SSL:  # 3
            raise OperationalError(_TLS_MISSING, "the server does not offer TLS")
        self._refuse_clear_text(self._server_auth_plugin)
        await super()._request_authentication()

    async def _process_auth(self, plugin_name: bytes, auth_packet: Any) -> object:
        self._refuse_clear_text(plugin_name.decode("ascii", "replace"))
        return await super()._process_auth(plugin_name, auth_packet)

    def _refuse_clear_text(self, method: str) -> None:  # 4
        if method in _CLEAR_TEXT and not self._ssl_context and not self._local:
            raise OperationalError(_AUTHENTICATION, "the server asks for the password in the clear")

    async def run(self, sql: bytes) -> int:
        """Run a statement; how many rows it changed."""
        await self._ask(sql)
        changed = int(self._result.affected_rows)
        self._result = None
        return changed

    async def fetch(self, sql: str) -> list[tuple[Any, ...]]:
        """Run one of our own statements and give its rows."""
        await self._ask(sql)
        rows = list(self._result.rows or ())
        self._result = None
        return rows

    async def begin_rows(self, sql: bytes) -> None:
        """Run a LOAD DATA LOCAL as far as where the server asks for its rows."""
        with self._keeping_step():
            await self._execute_command(COMMAND.COM_QUERY, sql)
            packet = await self._read_packet()
            if not packet.is_load_local_packet():
                self.abort()
                raise OperationalError(_OUT_OF_STEP, "the server did not ask for the rows")
        self.in_step = False

    async def send_rows(self, text: bytes) -> None:
        """Some of the rows."""
        for start in range(0, len(text), _PACKET_BYTES):
            self.write_packet(text[start : start + _PACKET_BYTES])
            assert self._writer is not None
            await self._writer.drain()

    async def end_rows(self) -> tuple[int, int]:
        """That was all: how many rows were written, and how many warnings there are."""
        with self._keeping_step():
            self.write_packet(b"")
            answer = OKPacketWrapper(await self._read_packet())
        return int(answer.affected_rows), int(answer.warning_count)

    async def _ask(self, sql: str | bytes) -> None:
        with self._keeping_step():
            try:
                await self.query(sql)
            except RuntimeError as error:  # how the driver says that it was asked for a file; 2
                self.abort()
                raise OperationalError(_OUT_OF_STEP, "the server asked for a file") from error

    @contextmanager
    def _keeping_step(self) -> Iterator[None]:
        """An answer that was not read to its end, as after Ctrl-C, leaves the connection out of step."""
        self.in_step = False
        try:
            yield
        except MySQLError as error:
            self.in_step = self._writer is not None and error.args[0] < FIRST_CLIENT_ERROR
            raise
        self.in_step = True

    @property
    def server_name(self) -> ServerName:
        """What answers; MariaDB may put the version of a MySQL that it resembles before its own."""
        version = str(self.server_version).removeprefix("5.5.5-")
        return ServerName("mariadb" if "mariadb" in version.lower() else "mysql", version.partition("-")[0])

    def abort(self) -> None:
        """Close the socket; the server rolls back."""
        if self._writer is not None:
            self._writer.transport.abort()
        self._writer = self._reader = None


def _context(target: Target) -> ssl.SSLContext | None:
    if target.tls in ("disable", "prefer") or target.socket:
        return None
    context = ssl.create_default_context(cafile=str(target.tls_ca) if target.tls_ca else None)
    if target.tls == "require":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
