"""The admin socket: who may speak is decided by the kernel, not by a password.

1. The socket is bound inside a fresh private folder and moved into place, so it is never open to others, not for one
   system call; what lies at the path is replaced only if it is a socket that nobody answers on.
2. SO_PEERCRED names the caller: root and the daemon's own user may speak, nobody else.
3. Lines, time and connections are limited; every command is on the audit record before it runs. Beyond a few
   connections each is told so, and beyond ``CROWD`` it is closed unheard, so that they take no descriptors from HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import stat
import struct
import tempfile
from pathlib import Path

from hfitd.admin.commands import AdminDesk
from hfitd.admin.wire import MAX_LINE, error_document, parse_request
from hfitd.errors import Conflict, Forbidden, HfitError, Internal, Unavailable

MAX_CONNECTIONS = 8
CROWD = 64
LINE_TIMEOUT_SECONDS = 10.0
CREDENTIALS = struct.Struct("3i")


class AdminServer:
    """Listens on the socket for a desk."""

    def __init__(self, path: Path, desk: AdminDesk) -> None:
        self._path = path
        self._desk = desk
        self._server: asyncio.Server | None = None
        self._open = 0

    async def start(self) -> None:
        """Listen; Conflict when another daemon does already."""
        listener = await asyncio.to_thread(bind_privately, self._path)
        self._server = await asyncio.start_unix_server(self._talk, sock=listener, limit=MAX_LINE)

    async def stop(self) -> None:
        """Close and remove the socket."""
        if self._server is not None:
            self._server.close()
            self._server.close_clients() if hasattr(self._server, "close_clients") else None
            self._path.unlink(missing_ok=True)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= CROWD:  # (3)
                with contextlib.suppress(ConnectionError, TimeoutError, asyncio.LimitOverrunError, ValueError):
                    await self._answer(reader, writer)
        finally:
            self._open -= 1
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(LINE_TIMEOUT_SECONDS):
            line = await reader.readline()  # (3) longer lines raise
        if not line.endswith(b"\n"):
            return
        try:
            if self._open > MAX_CONNECTIONS:  # (3)
                raise Unavailable("Too many admin connections at once; try again.")
            uid = peer_uid(writer.get_extra_info("socket"))
            if uid not in {0, os.geteuid()}:  # (2)
                raise Forbidden("Only root and the user of the daemon may use the admin socket.")
            command, arguments = parse_request(line)
            document = {"result": await self._desk.run(command, arguments, uid)}
        except HfitError as error:
            document = error_document(error)
        except Exception as error:  # noqa: BLE001 - the last net, as for HTTP
            self._desk.report(error)
            document = error_document(Internal())
        writer.write(json.dumps(document).encode() + b"\n")
        await writer.drain()


def peer_uid(connection: socket.socket) -> int:
    """(2) The user at the other end, as the kernel knows it (unix(7), SO_PEERCRED)."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    _, uid, _ = CREDENTIALS.unpack(raw)
    return int(uid)


def bind_privately(path: Path) -> socket.socket:
    """(1) A listening socket at ``path``, mode 0600 from its first moment."""
    if os.path.lexists(path):
        _require_dead_socket(path)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".admin-") as private:
            born = Path(private) / "s"
            listener.bind(str(born))
            born.chmod(0o600)
            listener.listen(MAX_CONNECTIONS)
            born.replace(path)
    except OSError as error:
        listener.close()
        raise Unavailable("The admin socket cannot be made; its path may be too long or not writable.") from error
    listener.setblocking(False)
    return listener


def _require_dead_socket(path: Path) -> None:
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise Conflict("Something that is no socket lies where the admin socket should be; move it away.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:
            return
    raise Conflict("Another daemon answers on this admin socket.")
