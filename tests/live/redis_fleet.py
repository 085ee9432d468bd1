"""Redis as several processes: a cluster of two nodes, a primary that sentinels watch."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from tests.live.certificates import Certificates
from tests.live.redis import command
from tests.live.servers import (
    START_TIMEOUT_SECONDS,
    Account,
    Server,
    ServerFailed,
    find_binary,
    free_port,
    on_free_port,
    password,
    wait_until_ready,
)

SERVICE = "hfit-main"
_SLOTS = 16384
_MAX_PORT = 55535  # a cluster node also listens ten thousand above its port


@contextlib.contextmanager
def redis_node(*extra: str, low_port: bool = False) -> Iterator[Server]:
    """One more Redis with these settings besides the usual ones."""
    account = Account.of_servers()
    daemon = find_binary("redis-server", "HFIT_TEST_REDIS_BIN", "redis-server")
    with account.directory("rn") as directory:

        @contextlib.contextmanager
        def start(port: int) -> Iterator[Server]:
            while low_port and port > _MAX_PORT:
                port = free_port()
            argv: list[str | Path] = [
                daemon, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                "--dir", directory, "--requirepass", password(), "--masterauth", password(), *extra,
            ]  # fmt: skip
            server = Server("redis", "127.0.0.1", port, "default", password(), directory)
            log = directory / "log"
            with account.process(argv, log, signal.SIGTERM) as process:
                wait_until_ready(process, log, lambda: _says(server, "PING") == "+PONG")
                yield server

        with on_free_port(start) as server:
            yield server


@contextlib.contextmanager
def redis_tls(certificates: Certificates) -> Iterator[tuple[Server, int]]:
    """A Redis and the port on which it speaks TLS."""
    account = Account.of_servers()
    with account.directory("rt") as folder:
        certificate = account.write(folder / "server.crt", certificates.certificate.read_bytes())
        key = account.write(folder / "server.key", certificates.key.read_bytes())
        port = free_port()
        options = (
            "--tls-port",
            port,
            "--tls-cert-file",
            certificate,
            "--tls-key-file",
            key,
            "--tls-auth-clients",
            "no",
        )
        with redis_node(*map(str, options)) as server:
            yield server, port


@contextlib.contextmanager
def redis_cluster() -> Iterator[list[Server]]:
    """Two primaries that share the slots."""
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
    with redis_node(*options, low_port=True) as first, redis_node(*options, low_port=True) as second:
        half = _SLOTS // 2
        assert command(first, "CLUSTER", "ADDSLOTSRANGE", "0", str(half - 1)) == "+OK"
        assert command(second, "CLUSTER", "ADDSLOTSRANGE", str(half), str(_SLOTS - 1)) == "+OK"
        assert command(first, "CLUSTER", "MEET", second.host, str(second.port)) == "+OK"
        for node in (first, second):
            _wait(lambda node=node: _says(node, "GET", "{a}").startswith(("$-1", "-MOVED")))  # type: ignore[misc]
            _wait(lambda node=node: _says(node, "GET", "{b}").startswith(("$-1", "-MOVED")))  # type: ignore[misc]
        yield [first, second]


@contextlib.contextmanager
def redis_sentinel() -> Iterator[tuple[Server, Server]]:
    """A primary and the one sentinel that knows it."""
    account = Account.of_servers()
    daemon = find_binary("redis-server", "HFIT_TEST_REDIS_BIN", "redis-server")
    with redis_node() as primary, account.directory("rs") as directory:

        @contextlib.contextmanager
        def start(port: int) -> Iterator[Server]:
            settings = (
                f"port {port}\nbind 127.0.0.1\ndir {directory}\n"
                f"sentinel monitor {SERVICE} {primary.host} {primary.port} 1\n"
                f"sentinel auth-pass {SERVICE} {primary.password}\n"
            )
            file = account.write(directory / "sentinel.conf", settings.encode())
            server = Server("redis", "127.0.0.1", port, "", "", directory)
            with account.process([daemon, file, "--sentinel"], directory / "log", signal.SIGTERM) as process:
                wait_until_ready(process, directory / "log", lambda: _port_is_open(server))
                yield server

        with on_free_port(start) as sentinel:
            yield primary, sentinel


def _says(server: Server, *words: str) -> str:
    try:
        return command(server, *words)
    except OSError:
        return ""


def _port_is_open(server: Server) -> bool:
    # Without a password AUTH is refused, and then PING answered.
    return _says(server, "PING") == "+PONG"


def _wait(is_so: object) -> None:
    assert callable(is_so)
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            raise ServerFailed("the cluster does not form")
        time.sleep(0.02)
