"""``hfitd serve`` as a process of its own, its people, and ``hfit`` as they type it."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from hfit.credentials.keys import load_key_file
from hfit.credentials.login_text import login_text
from hfit.credentials.sshsig import LOGIN_NAMESPACE, build_signature
from hfitd.admin.wire import ask_daemon
from tests.live.servers import Server, ServerFailed, free_port

BIN = Path(sys.executable).parent
MASK_KEY = "a mask key for tests only, 32 or more"
START_SECONDS = 30.0


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Person:
    """Somebody with a key; ``token`` is theirs after ``Daemon.login``."""

    email: str
    key: Path
    folder: Path
    token: str = ""

    @property
    def public_key(self) -> str:
        """The OpenSSH line, without comment."""
        return " ".join(self.key.with_suffix(".pub").read_text().split()[:2])

    @property
    def bearer(self) -> dict[str, str]:
        """The header that shows the token."""
        return {"Authorization": f"Bearer {self.token}"}


class Daemon:
    """One installation: a folder with a configuration, started and stopped as a test likes.

    ``body`` is the configuration without ``[server]``; ``server`` are further keys of that section.
    """

    def __init__(self, folder: Path, body: str, server: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.port = free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self.signed_origin = self.origin  # ``server.origin``, which several instances share
        self.config = folder / "config.toml"
        self.log = folder / "hfitd.log"
        self.environment: dict[str, str] = {}
        self.under: tuple[str, ...] = ()  # a command that runs the daemon
        self.program: list[str | Path] = [BIN / "hfitd"]
        self.process: subprocess.Popen[bytes] | None = None
        self.write_config(body, server)

    def write_config(self, body: str, server: Mapping[str, str] | None = None) -> None:
        """Replace the configuration; SIGHUP or a start takes it over."""
        keys = {
            "listen": f'"127.0.0.1:{self.port}"',
            "data_dir": '"data"',
            "insecure": '["secrets", "db-role"]',
            "shutdown_grace": '"15s"',
        } | dict(server or {})
        lines = [f"{name} = {value}" for name, value in keys.items()]
        self.config.write_text("\n".join(["[server]", *lines, "", body]), encoding="utf-8")
        self.config.chmod(0o600)

    @property
    def data(self) -> Path:
        """``server.data_dir``."""
        return self.folder / "data"

    @property
    def socket(self) -> Path:
        """The admin socket."""
        return self.data / "admin.sock"

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Start and wait until it answers. Raises ServerFailed with the end of its log."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [*self.under, *self.program, "serve", "--config", self.config],
                cwd=self.folder, stdin=subprocess.DEVNULL,
                stdout=output, stderr=output, env=clean_environment(self.folder) | self.environment,
                start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while not self.socket.exists() or self.status_of("/health") != 200:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise ServerFailed(f"hfitd does not answer:\n{self.log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.03)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    def wait(self, seconds: float = 30.0) -> int:
        """Wait for its end; the exit code."""
        assert self.process is not None
        return self.process.wait(seconds)

    def stop(self) -> None:
        """End it, gently first."""
        if self.process is not None and self.process.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                self.wait()
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def limit_files(self, size: int | None) -> None:
        """No file of the process may grow beyond ``size`` bytes: a full disk. None takes the limit away."""
        hard = resource.RLIM_INFINITY
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (hard if size is None else size, hard))

    def status_of(self, path: str) -> int:
        """The status of a GET without a token; 0 when nobody answers."""
        try:
            with urllib.request.urlopen(self.origin + path, timeout=5) as answer:
                return int(answer.status)
        except HTTPError as error:
            error.close()
            return error.code
        except OSError:
            return 0

    def post(self, path: str, document: Mapping[str, object]) -> Any:
        """A JSON document without a token; the answer. Raises HTTPError."""
        data = json.dumps(document).encode()
        request = urllib.request.Request(f"{self.origin}/api/v1{path}", data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def admin(self, command: str, **arguments: Any) -> Any:
        """An admin verb over the socket."""
        return ask_daemon(self.socket, command, arguments)

    def hfitd(self, *arguments: str | Path) -> Ran:
        """``hfitd ARGUMENTS --config FILE``."""
        return run([BIN / "hfitd", *arguments, "--config", self.config], self.folder, self.environment)

    def add_person(self, email: str, *roles: str) -> Person:
        """A new user with a fresh key, logged in."""
        folder = self.folder / "people" / email
        folder.mkdir(parents=True)
        person = Person(email, make_key(folder / "id_ed25519"), folder)
        self.admin("user.add", email=email, key=person.public_key, roles=list(roles))
        return self.login(person)

    def login(self, person: Person) -> Person:
        """The person with a fresh token."""
        nonce = self.post("/auth/challenge", {"email": person.email})["nonce"]
        token = self.post("/auth/login", self.signed_login(person, nonce))["token"]
        return Person(person.email, person.key, person.folder, token)

    def signed_login(self, person: Person, nonce: str) -> dict[str, object]:
        """The body of a login for a nonce."""
        signer = load_key_file(person.key, lambda _: None)
        text = login_text(self.signed_origin, person.email, signer.public_key, nonce)
        return {
            "email": person.email,
            "nonce": nonce,
            "public_key": signer.public_key.line,
            "signature": build_signature(text, LOGIN_NAMESPACE, signer.public_key, signer.sign),
        }

    def client_argv(self, *arguments: str | Path) -> list[str | Path]:
        """The command line of ``hfit``."""
        return [BIN / "hfit", *arguments]

    def client_environment(self, person: Person) -> dict[str, str]:
        """What ``hfit`` needs to act for this person."""
        return clean_environment(person.folder) | {
            "HFIT_CONFIG_DIR": str(person.folder / "hfit"),
            "HFIT_SERVER_URL": self.origin,
            "HFIT_EMAIL": person.email,
            "HFIT_PRIVATE_KEY_PATH": str(person.key),
        }

    def hfit(self, person: Person, *arguments: str | Path, cwd: Path | None = None) -> Ran:
        """``hfit ARGUMENTS`` as this person; it logs in by itself when it has no token."""
        return run(self.client_argv(*arguments), cwd or person.folder, self.client_environment(person))

    def audit_records(self) -> list[dict[str, Any]]:
        """Every record of the audit folder, in order."""
        text = b"".join(path.read_bytes() for path in sorted((self.data / "audit").glob("*.jsonl")))
        return [json.loads(line) for line in text.splitlines()]

    def spool_is_empty(self) -> bool:
        """Whether no job has a folder."""
        return not any((self.data / "spool").iterdir())


@contextlib.contextmanager
def running(daemon: Daemon) -> Iterator[Daemon]:
    """The daemon, started, until the block ends."""
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.stop()


def bound_by_permissions() -> tuple[str, ...]:
    """A command under which the modes of files hold for root, too."""
    if os.geteuid() != 0:
        return ()
    rights = "-dac_override,-dac_read_search"
    return ("setpriv", "--bounding-set", rights, "--inh-caps", rights, "--")


@contextlib.contextmanager
def polite(daemon: Daemon) -> Iterator[None]:
    """AssertionError when a step of the daemon's event loop works for more than 100 ms during the block.

    It is measured in CPU time of the loop's thread, so a busy machine does not matter.
    """
    before = daemon.log.read_text(errors="replace").count("loop_held")
    yield
    time.sleep(0.1)  # the watch looks every 20 ms
    held = [line for line in daemon.log.read_text(errors="replace").splitlines() if "loop_held" in line][before:]
    assert not held, f"the event loop was held: {held}"


def run(argv: Sequence[str | Path], cwd: Path, environment: Mapping[str, str], timeout: float = 60.0) -> Ran:
    """Run a command to its end."""
    done = subprocess.run(
        [*map(str, argv)], cwd=cwd, env=clean_environment(cwd) | dict(environment), stdin=subprocess.DEVNULL,
        capture_output=True, timeout=timeout, check=False,
    )  # fmt: skip
    return Ran(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def clean_environment(home: Path) -> dict[str, str]:
    """This process's environment without anything of ours in it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HFIT_", "HFITD_", "SSH_"))}
    return kept | {"HOME": str(home), "PYTHONWARNINGS": "error"}


def make_key(path: Path) -> Path:
    """A key pair by ssh-keygen."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


def provider(name: str, server: Server, database: str) -> str:
    """A provider of a test server."""
    return f"""
[providers.{name}]
type = "{server.kind}"
host = "{server.host}"
port = {server.port}
user = "{server.user}"
password = "{server.password}"
database = "{database}"
tls = "disable"
"""


def sqlite_provider(name: str, path: Path) -> str:
    """A provider that is a file."""
    return f'\n[providers.{name}]\ntype = "sqlite"\npath = "{path}"\n'


def volume(name: str, path: Path) -> str:
    """A volume."""
    return f'\n[volumes.{name}]\npath = "{path}"\n'


def redis_store(server: Server, port: int | None = None) -> str:
    """The store in Redis, perhaps behind another port."""
    return f'\n[store]\nurl = "redis://{server.host}:{port or server.port}/0"\npassword = "{server.password}"\n'


def role(name: str, *grants: str) -> str:
    """A role."""
    return f"\n[roles.{name}]\ngrants = {json.dumps(grants)}\n"
