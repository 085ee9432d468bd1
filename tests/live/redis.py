"""Redis as a test server."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

from tests.live.servers import Account, Server, find_binary, on_free_port, password, wait_until_ready


@contextlib.contextmanager
def redis() -> Iterator[Server]:
    """A running Redis that keeps nothing on disk. Raises ServerMissing, ServerFailed."""
    account = Account.of_servers()
    daemon = find_binary("redis-server", "HFIT_TEST_REDIS_BIN", "redis-server")
    with account.directory("rd") as directory:

        @contextlib.contextmanager
        def start(port: int) -> Iterator[Server]:
            argv: list[str | Path] = [
                daemon, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                "--dir", directory, "--requirepass", password(),
            ]  # fmt: skip
            server = Server("redis", "127.0.0.1", port, "default", password(), directory)
            log = directory / "log"
            with account.process(argv, log, signal.SIGTERM) as process:
                wait_until_ready(process, log, lambda: _answers(server))
                yield server

        with on_free_port(start) as server:
            yield server


def _answers(server: Server) -> bool:
    try:
        return command(server, "PING") == "+PONG"
    except OSError:
        return False


def command(server: Server, *words: str) -> str:
    """The first line of the answer to one command, as the wire has it (``+OK``, ``-ERR ...``)."""
    with socket.create_connection((server.host, server.port), timeout=5) as connection:
        stream = connection.makefile("rwb")
        for line in (f"AUTH {server.password}", " ".join(words)):
            stream.write(line.encode() + b"\r\n")
            stream.flush()
            answer = stream.readline().decode().strip()
        stream.close()
        return answer


def empty(server: Server) -> None:
    """Remove every key of every database."""
    assert command(server, "FLUSHALL") == "+OK"
