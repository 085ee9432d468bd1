"""Nothing of the client needs a POSIX system to be imported, nor to verify, extract and load a package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path, PureWindowsPath

import pytest

from hfit.errors import UsageMistake
from hfit.load.target import parse_target
from hfit.refresh.project import read_project
from tests.support.package_writer import Package, PackageKey

# What is no part of the client is imported before the platform changes; what follows is the client's own.
PROGRAM = """
import asyncio, importlib, os, pathlib, pkgutil, sqlite3, sys, tempfile, types
import aiomysql, asyncpg, click.shell_completion, paramiko, platformdirs, pymysql, pytest, rich.progress, yaml
import ZSTD
for name in ("fcntl", "pwd", "grp", "resource", "termios", "tty", "pty"):
    sys.modules[name] = None
for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_DIRECTORY", "O_CLOEXEC", "fchmod", "getuid", "geteuid", "fork"):
    delattr(os, name)
held = types.ModuleType("msvcrt")
held.LK_NBLCK, held.locking = 2, lambda descriptor, mode, size: None
sys.modules["msvcrt"], sys.platform = held, "win32"
os.supports_dir_fd = set()
import hfit
for module in pkgutil.walk_packages(hfit.__path__, "hfit."):
    if module.name != "hfit.__main__":
        importlib.import_module(module.name)
from hfit.client import Client
archive, fingerprint, folder = pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])
from hfit.credentials.pins import Trust
from hfit.package.extract import extracted
from hfit.package.place import locked, place
trust = Trust(fingerprints=(fingerprint,))
from hfit.package.verify import verify_archive, verify_package
target = folder / "case-42"
with archive.open("rb") as file, locked(target):
    report = verify_archive(file, archive, trust)
    with extracted(file, report, target) as part:
        place(part, target, trust, force=False)
print(len(verify_package(target, trust).manifest.members))
"""


def test_the_client_works_without_posix(tmp_path: Path) -> None:
    key = PackageKey()
    package = Package(key)
    (tmp_path / "p.tar.gz").write_bytes(package.archive())
    program = PROGRAM.replace("ZSTD", "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
    argv = [sys.executable, "-c", program, tmp_path / "p.tar.gz", key.fingerprint, tmp_path]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == len(package.members()) - 2


@pytest.mark.parametrize("into", ["C:/x", "C:x", "C:", "//server/share/x", "a\\\\b", "\\\\\\\\server\\\\share"])
def test_a_place_on_another_drive_is_refused_everywhere(tmp_path: Path, into: str) -> None:
    assert into[0] == "a" or PureWindowsPath(into.replace("\\\\", "\\")).drive
    (tmp_path / "hfit.toml").write_text(f'[packages.a]\ntemplate = "t"\ninto = "{into}"\n')
    with pytest.raises(UsageMistake, match="has 1 mistake"):
        read_project(tmp_path / "hfit.toml")


def test_a_file_with_a_drive_letter_is_an_sqlite_target() -> None:
    path = PureWindowsPath(parse_target("sqlite:///C:/data/my%20shop.db", {}).database)
    assert (path.drive, path.name) == ("C:", "my shop.db")


def test_a_user_without_a_name_is_asked_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs under a number that its list of users does not have."""

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 54321")

    monkeypatch.setattr("getpass.getuser", nameless)
    with pytest.raises(UsageMistake) as caught:
        parse_target("mysql://localhost/x", {})
    assert "name the user" in caught.value.reason
    assert parse_target("mysql://me@localhost/x", {}).user == "me"
