"""A home, keys, a gateway in a thread, and ``hfit`` as a function."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hfit.commands.run import run
from tests.support.fake_hfitd import FakeHfitd
from tests.support.package_writer import PackageKey
from tests.support.plugin_runs import ENGINES, INI, NO_DDL, add_shop


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str
    raw: bytes


Hfit = Callable[..., Ended]


@pytest.fixture(scope="session")
def ssh_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ssh") / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


@pytest.fixture(scope="session")
def package_key() -> PackageKey:
    return PackageKey()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home with a work folder as the current one, no agent, no settings of the machine."""
    place = tmp_path / "home"
    (place / "work").mkdir(parents=True)
    for name in ("HFIT_SERVER_URL", "HFIT_EMAIL", "HFIT_PRIVATE_KEY_PATH", "HFIT_KEY_PASSPHRASE", "SSH_AUTH_SOCK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.setenv("HFIT_CONFIG_DIR", str(place / ".hfit"))
    monkeypatch.chdir(place / "work")
    return place


@pytest.fixture
def work(home: Path) -> Path:
    return home / "work"


@pytest.fixture
def fake(ssh_key: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHfitd]:
    """A gateway that knows our key; the settings point to it."""
    gateway = FakeHfitd()
    gateway.keys.append(" ".join(ssh_key.with_suffix(".pub").read_text().split()[:2]))
    monkeypatch.setenv("HFIT_SERVER_URL", gateway.origin)
    monkeypatch.setenv("HFIT_EMAIL", gateway.email)
    monkeypatch.setenv("HFIT_PRIVATE_KEY_PATH", str(ssh_key))
    with gateway.running():
        yield gateway


@pytest.fixture
def hfit(capfdbinary: pytest.CaptureFixture[bytes]) -> Hfit:
    """Run ``hfit`` with these arguments."""

    def call(*arguments: object) -> Ended:
        capfdbinary.readouterr()
        code = run([str(argument) for argument in arguments])
        out, err = capfdbinary.readouterr()
        return Ended(code, out.decode("utf-8", "replace"), err.decode(), out)

    return call


@pytest.fixture
def logged_in(fake: FakeHfitd, hfit: Hfit) -> FakeHfitd:
    assert hfit("login").code == 0
    return fake


@pytest.fixture
def plugin_shop(logged_in: FakeHfitd, home: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHfitd:
    """A gateway with a package per engine, and a project."""
    monkeypatch.setenv("HFIT_CACHE_DIR", str(home / "cache"))
    for engine in ENGINES:
        add_shop(logged_in, f"shop-{engine}", engine)
        add_shop(logged_in, f"{NO_DDL}-{engine}", engine)
    (work / "pytest.ini").write_text(INI)
    logged_in.requests.clear()
    return logged_in
