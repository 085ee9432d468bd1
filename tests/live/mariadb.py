"""MariaDB as a test server."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

from tests.live.certificates import Certificates
from tests.live.servers import (
    Account,
    Serve,
    Server,
    find_binary,
    on_free_port,
    password,
    succeeds,
    wait_until_ready,
)

_FAST = (
    "--skip-name-resolve", "--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0",
    "--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M", "--skip-log-bin", "--max-connections=120",
    "--character-set-server=utf8mb4",
)  # fmt: skip


@contextlib.contextmanager
def mariadb(tls: Certificates | None = None) -> Iterator[Server]:
    """A running MariaDB; with ``tls`` it also accepts TLS. Raises ServerMissing, ServerFailed."""
    with mariadb_data(tls) as serve, on_free_port(serve) as server:
        yield server


@contextlib.contextmanager
def mariadb_data(tls: Certificates | None = None) -> Iterator[Serve]:
    """The data of a MariaDB, served on a port as often as a test likes."""
    account = Account.of_servers()
    install = find_binary("mariadb-install-db", "HFIT_TEST_MYSQL_BIN", "mariadb-server-core")
    daemon = find_binary("mariadbd", "HFIT_TEST_MYSQL_BIN", "mariadb-server-core")
    with account.directory("my") as directory:
        account.run([
            install, "--no-defaults", f"--datadir={directory / 'data'}", "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ])  # fmt: skip
        init = account.write(directory / "init.sql", accounts_script().encode())

        @contextlib.contextmanager
        def start(port: int) -> Iterator[Server]:
            argv: list[str | Path] = [
                daemon, "--no-defaults", f"--datadir={directory / 'data'}", f"--socket={directory / 's.sock'}",
                f"--port={port}", "--bind-address=127.0.0.1", f"--pid-file={directory / 'pid'}",
                f"--tmpdir={directory}", f"--init-file={init}", *_FAST, *_tls_options(account, directory, tls),
            ]  # fmt: skip
            ca = tls.authority if tls else None
            server = Server("mysql", "127.0.0.1", port, "root", password(), directory, ca)
            log = directory / "log"
            with account.process(argv, log, signal.SIGTERM) as process:
                wait_until_ready(process, log, lambda: answers(server))
                yield server

        yield start


def accounts_script() -> str:
    """SQL that lets the superuser in over TCP; it can run at every start."""
    lines = [f"ALTER USER root@localhost IDENTIFIED BY '{password()}';"]
    for host in ("127.0.0.1", "%"):
        lines += [
            f"CREATE USER IF NOT EXISTS root@'{host}';",
            f"ALTER USER root@'{host}' IDENTIFIED BY '{password()}';",
            f"GRANT ALL ON *.* TO root@'{host}' WITH GRANT OPTION;",
        ]
    return "\n".join([*lines, ""])


def answers(server: Server) -> bool:
    """Whether the superuser can log in over TCP."""
    client = find_binary("mariadb", "HFIT_TEST_MYSQL_BIN", "mariadb-client-core")
    argv: list[str | Path] = [
        client, "--no-defaults", "--protocol=tcp", f"--host={server.host}", f"--port={server.port}",
        f"--user={server.user}", "-e", "select 1",
    ]  # fmt: skip
    return succeeds(argv, {"MYSQL_PWD": server.password})


def _tls_options(account: Account, directory: Path, tls: Certificates | None) -> list[str]:
    if tls is None:
        return []
    key = account.write(directory / "server.key", tls.key.read_bytes())
    certificate = account.write(directory / "server.crt", tls.certificate.read_bytes())
    return [f"--ssl-key={key}", f"--ssl-cert={certificate}"]
