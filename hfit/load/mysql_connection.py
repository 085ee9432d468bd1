"""A connection to a MySQL or MariaDB target that gives neither server nor package any power over this machine.

1. One statement per command: the flag for several, which the driver always sets, is cleared.
2. No file is ever sent: LOCAL_FILES is cleared, and a server that asks for a file all the same loses the connection.
3. No TLS downgrade: with ``require`` or ``verify-full`` a server without TLS is left before anything is sent.
4. A password never travels in the clear, except through a Unix socket.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import aiomysql
from pymysql.constants import CLIENT
from pymysql.err import MySQLError, OperationalError

from hfit.load.interface import ServerName, Target

CONNECT_SECONDS = 10.0
FIRST_CLIENT_ERROR = 2000  # below are the server's own
_CLEAR_TEXT = frozenset(("mysql_clear_password", "mysql_old_password", "dialog"))
_TLS_MISSING, _AUTHENTICATION = 2026, 2059


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
        self.client_flag &= ~(CLIENT.MULTI_STATEMENTS | CLIENT.LOCAL_FILES)  # 1, 2

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

    async def _ask(self, sql: str | bytes) -> None:
        """An answer that was not read to its end, as after Ctrl-C, leaves the connection out of step."""
        self.in_step = False
        try:
            await self.query(sql)
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
