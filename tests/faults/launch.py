"""``hfitd`` with operations that can be made to fail: ``python -m tests.faults.launch serve --config FILE``.

The n-th operation of a kind fails, once or from then on, as the system or a database would fail it. What is counted and
harmed is only what concerns files below the installation's folder, its store (transactions of the embedded one,
commands to Redis) and its providers on SQLite and PostgreSQL (statements, batches of rows, chunks of COPY). Every error
holds what must not go on (H10). A test arms it over the Unix socket in ``HFIT_TEST_FAULTS_SOCKET``; nothing in the
product knows of this.
"""

from __future__ import annotations

import errno
import io
import json
import os
import socket
import socketserver
import sqlite3
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
from asyncpg.cursor import Cursor
from redis.asyncio.connection import AbstractConnection as RedisConnection
from redis.exceptions import ConnectionError as RedisLost

from hfitd.cli import main
from hfitd.engines import sqlite_snapshot
from hfitd.engines.postgres_lane import _Feed
from hfitd.store.embedded import EmbeddedStore

KINDS = ("write", "fsync", "rename", "read", "fetch", "store")
CANARY = "c4nary"
SECRET = f"/srv/{CANARY}/x: postgresql://{CANARY}:{CANARY}-pass@db.{CANARY}/x SELECT '{CANARY}' token eyJ{CANARY}"


class Faults:
    """Counts operations while armed, and says which of them fails."""

    def __init__(self, folder: Path) -> None:
        self._folder = f"{folder}/"
        self._lock = threading.Lock()
        self._kind, self._number, self._persistent = "", 0, False
        self._seen, self._fired = 0, 0

    def arm(self, kind: str, number: int, *, persistent: bool) -> None:
        """From now on count ``kind``; "" disarms."""
        with self._lock:
            self._kind, self._number, self._persistent = kind, number, persistent
            self._seen = self._fired = 0

    def report(self) -> dict[str, int]:
        """How many operations of the kind there were, how many failed."""
        with self._lock:
            return {"seen": self._seen, "fired": self._fired}

    def strikes(self, kind: str, where: object = None) -> bool:
        """Whether this operation has to fail."""
        if kind != self._kind or (where is not None and not self._is_ours(where)):
            return False
        with self._lock:
            self._seen += 1
            hit = self._seen >= self._number if self._persistent else self._seen == self._number
            self._fired += hit
            return hit

    def of_a_database(self) -> Exception:
        """What a database's driver raises, by turns with what nobody expects."""
        return RuntimeError(SECRET) if self._number % 2 == 0 else sqlite3.OperationalError(SECRET)

    def _is_ours(self, where: object) -> bool:
        try:
            name = os.readlink(f"/proc/self/fd/{where}") if isinstance(where, int) else os.fspath(where)  # type: ignore[call-overload]
        except OSError:
            return False
        return str(name).startswith(self._folder)


class HarmedFile(io.FileIO):
    """A file whose reads and writes can fail. ``faults`` is set right after it was opened."""

    faults: Faults

    def write(self, data: Any) -> int:
        if self.faults.strikes("write", self.fileno()):
            raise OSError(errno.ENOSPC, SECRET, SECRET)
        return super().write(data) or 0

    def readinto(self, buffer: Any) -> int:
        if self.faults.strikes("read", self.fileno()):
            raise OSError(errno.EIO, SECRET, SECRET)
        return super().readinto(buffer) or 0

    def readall(self) -> bytes:
        if self.faults.strikes("read", self.fileno()):
            raise OSError(errno.EIO, SECRET, SECRET)
        return super().readall()


def harm(faults: Faults) -> None:
    """Put the faults between the daemon and the system."""
    for name, kind, number in (
        ("write", "write", errno.ENOSPC), ("fsync", "fsync", errno.EIO), ("fdatasync", "fsync", errno.EIO),
        ("pread", "read", errno.EIO), ("sendfile", "read", errno.EIO),
        ("replace", "rename", errno.EIO), ("rename", "rename", errno.EIO), ("link", "rename", errno.EIO),
    ):  # fmt: skip
        position = 1 if name == "sendfile" else 0
        setattr(os, name, _harmed(getattr(os, name), faults, kind, number, position))
    real_open = io.open

    def open_harmed(file: Any, mode: str = "r", buffering: int = -1, *rest: Any, **more: Any) -> Any:
        if "b" not in mode or "+" in mode:
            return real_open(file, mode, buffering, *rest, **more)
        raw = HarmedFile(file, mode.replace("b", ""), *([more["closefd"]] if "closefd" in more else []))
        raw.faults = faults
        if buffering == 0:
            return raw
        return io.BufferedReader(raw) if raw.readable() else io.BufferedWriter(raw)

    io.open = open_harmed  # type: ignore[assignment]
    _harm_databases(faults)


def _harm_databases(faults: Faults) -> None:
    transact, batch = EmbeddedStore._transact, sqlite_snapshot._batch

    def transact_harmed(self: EmbeddedStore, work: Callable[[], Any]) -> Any:
        if faults.strikes("store"):
            raise faults.of_a_database()
        return transact(self, work)

    def batch_harmed(cursor: sqlite3.Cursor) -> Any:
        if faults.strikes("fetch"):
            raise faults.of_a_database()
        return batch(cursor)

    EmbeddedStore._transact = transact_harmed  # type: ignore[method-assign]
    sqlite_snapshot._batch = batch_harmed
    for kind, owner, name, error in (
        ("store", RedisConnection, "send_packed_command", RedisLost(SECRET)),
        ("fetch", asyncpg.Connection, "execute", asyncpg.ConnectionDoesNotExistError(SECRET)),
        ("fetch", asyncpg.Connection, "_get_statement", asyncpg.ConnectionDoesNotExistError(SECRET)),
        ("fetch", Cursor, "fetch", asyncpg.DeadlockDetectedError(SECRET)),
        ("fetch", _Feed, "accept", asyncpg.AdminShutdownError(SECRET)),
    ):
        setattr(owner, name, _harmed_call(getattr(owner, name), faults, kind, error))


def _harmed_call(
    real: Callable[..., Awaitable[Any]], faults: Faults, kind: str, error: Exception
) -> Callable[..., Awaitable[Any]]:
    async def call(*arguments: Any, **more: Any) -> Any:
        if faults.strikes(kind):
            raise type(error)(*error.args)
        return await real(*arguments, **more)

    return call


def _harmed(real: Callable[..., Any], faults: Faults, kind: str, number: int, position: int) -> Callable[..., Any]:
    def call(*arguments: Any, **more: Any) -> Any:
        if faults.strikes(kind, arguments[position]):
            raise OSError(number, SECRET, SECRET)
        return real(*arguments, **more)

    return call


def listen(faults: Faults, path: str) -> None:
    """Take orders: one JSON object a line, one answer a line."""

    class Orders(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            for line in self.rfile:
                order = json.loads(line)
                if "arm" in order:
                    faults.arm(order["arm"], order["number"], persistent=order["persistent"])
                self.wfile.write(json.dumps(faults.report()).encode() + b"\n")

    server = socketserver.ThreadingUnixStreamServer(path, Orders)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()


class Trigger:
    """The test's end of it."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._stream = self._socket.makefile("rwb")

    def arm(self, kind: str, number: int, *, persistent: bool = False) -> None:
        """Let the ``number``-th operation from now on fail, or all from there on."""
        self._ask({"arm": kind, "number": number, "persistent": persistent})

    def disarm(self) -> int:
        """Harm nothing any more; how many operations failed."""
        fired = self._ask({})["fired"]
        self._ask({"arm": "", "number": 0, "persistent": False})
        return fired

    def close(self) -> None:
        """Hang up."""
        self._stream.close()
        self._socket.close()

    def _ask(self, order: dict[str, object]) -> dict[str, int]:
        self._stream.write(json.dumps(order).encode() + b"\n")
        self._stream.flush()
        answer: dict[str, int] = json.loads(self._stream.readline())
        return answer


if __name__ == "__main__":
    armed = Faults(Path(os.environ["HFIT_TEST_FAULTS_FOLDER"]))
    harm(armed)
    listen(armed, os.environ["HFIT_TEST_FAULTS_SOCKET"])
    sys.argv[0] = "hfitd"
    main()
