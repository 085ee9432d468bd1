"""What is installed: the wheel holds everything it needs and nothing else; the client needs no server library."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.source import ROOT, everything, imports, modules

SERVER_ONLY = ("aiohttp", "redis", "jwt", "aiofiles", "marshmallow", "apispec", "sqlglot", "prometheus_client", "isal")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The distribution, built from a copy of the tree."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "tree"
    copy.mkdir()
    for name in ("setup.cfg", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for name in ("hfit", "hfitd"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    argv = [sys.executable, "-m", "pip", "wheel", "-q", "--no-build-isolation", "--no-deps", "--no-index", "-w.", "."]
    done = subprocess.run(argv, cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = copy.glob("*.whl")
    return zipfile.ZipFile(built)


def test_the_wheel_holds_every_file_of_both_packages(wheel: zipfile.ZipFile) -> None:
    wanted = {
        path.relative_to(ROOT).as_posix()
        for package in ("hfit", "hfitd")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert held == wanted


def test_the_wheel_holds_the_licences(wheel: zipfile.ZipFile) -> None:
    names = {Path(name).name for name in wheel.namelist()}
    assert {"LICENSE", "NOTICE"} <= names
    (ours,) = [name for name in wheel.namelist() if ".dist-info/" in name and name.endswith("LICENSE")]
    assert b"Apache License" in wheel.read(ours)


def test_the_commands_lead_to_functions(wheel: zipfile.ZipFile) -> None:
    parser = configparser.ConfigParser()
    (entry,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    parser.read_string(wheel.read(entry).decode())
    for group in parser.sections():
        for target in parser[group].values():
            module, _, function = target.partition(":")
            code = f"import {module} as m; assert callable(m.{function})" if function else f"import {module}"
            subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_every_library_is_a_requirement() -> None:
    """What only comes along with something else may go away with it."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = setup["options.extras_require"]
    needed = setup["options"]["install_requires"] + extras["server"] + extras["s3"] + extras["otel"]
    named = {"yaml": "pyyaml", "jwt": "pyjwt", "prometheus_client": "prometheus-client", "backports": "backports.zstd"}
    named |= {"opentelemetry": "opentelemetry-sdk"}
    along = {"cryptography": "paramiko", "pymysql": "aiomysql", "compression": "backports.zstd", "pytest": "click"}
    used = {item.target.split(".")[0] for module in everything() for item in imports(module)}
    used -= set(sys.stdlib_module_names) | {"hfit", "hfitd"}
    missing = [name for name in used if along.get(name, named.get(name, name)) not in needed.lower()]
    assert not missing


def test_the_client_needs_no_server_library() -> None:
    """Every module of the client is imported where the server's libraries cannot be."""
    names = [module.name for module in modules("hfit")]
    code = (
        "import importlib, sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] in {(*SERVER_ONLY, 'hfitd')!r}:\n"
        "            raise ImportError('not part of the client: ' + name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        f"for name in {names!r}:\n"
        "    importlib.import_module(name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
