"""A real MySQL as a test server: an optional lane, ``make test-mysql``.

``HFIT_TEST_MYSQL9`` names the folder that ``tests/support/fetch_mysql.sh`` filled. The server is of a newer release
than the machine, so it runs with that release's own loader and libraries.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from tests.live.mariadb import accounts_script, answers
from tests.live.servers import Account, Server, ServerMissing, on_free_port, password, wait_until_ready

_FAST = (
    "--mysqlx=OFF", "--performance-schema=OFF", "--innodb-doublewrite=OFF", "--innodb-redo-log-capacity=16M",
    "--skip-log-bin", "--secure-file-priv=NULL", "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M",
)  # fmt: skip
_LOADER = "usr/lib64/ld-linux-x86-64.so.2"


def fetched_program() -> Path:
    """The folder with MySQL's files. Raises ServerMissing."""
    folder = Path(os.environ.get("HFIT_TEST_MYSQL9", "nowhere")) / "root"
    if not (folder / "usr/sbin/mysqld").is_file():
        raise ServerMissing("a real MySQL is missing: run `make test-mysql`, or set HFIT_TEST_MYSQL9")
    return folder.absolute()


@contextlib.contextmanager
def mysql9(program: Path) -> Iterator[Server]:
    """A running MySQL with TLS certificates of its own making. Raises ServerFailed."""
    account = Account.of_servers()
    with account.directory("m9") as directory:
        program = account.reachable(program, [_LOADER, "--version"], directory)
        libraries = [program / "usr/lib/x86_64-linux-gnu", program / "usr/lib/mysql/private"]
        daemon: list[str | Path] = [
            program / _LOADER, "--library-path", ":".join(map(str, libraries)), program / "usr/sbin/mysqld",
            "--no-defaults", f"--basedir={program / 'usr'}", f"--plugin-dir={program / 'usr/lib/mysql/plugin'}",
            f"--lc-messages-dir={program / 'usr/share/mysql'}", f"--datadir={directory / 'data'}",
        ]  # fmt: skip
        account.run([*daemon, "--initialize-insecure"])
        init = account.write(directory / "init.sql", accounts_script().encode())

        @contextlib.contextmanager
        def start(port: int) -> Iterator[Server]:
            argv: list[str | Path] = [
                *daemon, *_FAST, f"--socket={directory / 's.sock'}", f"--port={port}", "--bind-address=127.0.0.1",
                f"--pid-file={directory / 'pid'}", f"--tmpdir={directory}", f"--init-file={init}",
            ]  # fmt: skip
            authority = directory / "data" / "ca.pem"
            server = Server("mysql", "127.0.0.1", port, "root", password(), directory, authority)
            log = directory / "log"
            with account.process(argv, log, signal.SIGTERM) as process:
                wait_until_ready(process, log, lambda: answers(server))
                yield server

        with on_free_port(start) as server:
            yield server
