"""What a release is made of: the sdist gives the same wheel, that installs by itself, versions are exact and listed."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.support import constraints
from tests.support.source import ROOT
from tests.test_packaging import SERVER_ONLY

TOOLS = Path(sys.executable).parent
AUDIT = ROOT / "deploy" / "release" / "audit.sh"
EXCEPTIONS = ROOT / "deploy" / "audit-exceptions.txt"


def run(*argv: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run([*argv], cwd=cwd, capture_output=True, text=True, check=False)


def passes(*argv: str | Path, cwd: Path = ROOT) -> str:
    """Its output; what it says of a failure is the failure."""
    done = run(*argv, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def pinned() -> dict[str, Version]:
    """``deploy/constraints.txt``."""
    lines = constraints.PATH.read_text().splitlines()
    pairs = [line.split("==") for line in lines if not line.startswith("#")]
    return {name: Version(version) for name, version in pairs}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sdist of a copy of the tree, and the wheel that is made of the sdist alone."""
    folder = tmp_path_factory.mktemp("release")
    tree = folder / "tree"
    tree.mkdir()
    for name in ("setup.cfg", "setup.py", "README.md", "LICENSE", "MANIFEST.in"):
        shutil.copy(ROOT / name, tree)
    for name in ("hfit", "hfitd"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    passes(sys.executable, "-c", f"import setuptools.build_meta as b; b.build_sdist({str(folder)!r})", cwd=tree)
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (source,) = (folder / "unpacked").iterdir()
    passes(sys.executable, "-m", "pip", "wheel", "-q", "--no-build-isolation", "--no-deps", "--no-index",
           "-w", folder, source)  # fmt: skip
    (wheel,) = folder.glob("*.whl")
    return sdist, wheel


@pytest.fixture(scope="module")
def clean(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with nothing but the client, as its users install it; its ``bin``."""
    folder = tmp_path_factory.mktemp("clean")
    passes(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin" / "python"
    passes(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--disable-pip-version-check",
           "--constraint", constraints.PATH, built[1])  # fmt: skip
    return python.parent


def test_the_sdist_gives_the_wheel_of_the_tree(built: tuple[Path, Path]) -> None:
    sdist, wheel = built
    wanted = {
        path.relative_to(ROOT).as_posix()
        for package in ("hfit", "hfitd")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name} == wanted
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert wanted | {"LICENSE", "README.md", "setup.cfg", "setup.py"} <= names


def test_a_client_installs_by_itself_and_without_a_server_library(clean: Path) -> None:
    assert re.search(r"\d+\.\d+\.\d+", passes(clean / "hfit", "--version"))
    assert "pkg-download" in passes(clean / "hfit", "--help")
    code = f"from importlib.util import find_spec; print([n for n in {SERVER_ONLY!r} if find_spec(n)])"
    assert passes(clean / "python", "-c", code, cwd=clean).strip() == "[]"
    served = run(clean / "hfitd", "serve", "--config", "none.toml", cwd=clean)
    assert served.returncode == 1
    assert "pip install 'hot-fixture-tool[server]'" in served.stderr


def test_the_bill_of_materials_names_all_of_it_exactly(clean: Path) -> None:
    document = json.loads(passes(TOOLS / "cyclonedx-py", "environment", "--of", "JSON", clean / "python"))
    found = {canonicalize_name(item["name"]): item for item in document["components"]}
    installed = {
        canonicalize_name(path.name.rsplit("-", 2)[0]): path.name.rsplit("-", 2)[1]
        for path in (clean.parent / "lib").rglob("*.dist-info")
        for path in [path.with_name(path.name.replace(".dist-info", "-x"))]
    }
    assert {name: item["version"] for name, item in found.items()} == installed
    assert {"click", "paramiko", "asyncpg"} <= set(found)
    assert all(item["purl"].startswith("pkg:pypi/") for name, item in found.items() if name in pinned())
    assert set(found) - {"hot-fixture-tool"} <= set(pinned())


def test_everything_that_an_image_needs_has_an_exact_version_that_is_allowed() -> None:
    versions = pinned()
    assert constraints.closure().keys() <= versions.keys(), "make constraints"
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    texts = setup["options"]["install_requires"].splitlines()
    for extra in constraints.EXTRAS:
        texts += setup["options.extras_require"][extra].splitlines()
    for wanted in (Requirement(text) for text in texts if text and not text.startswith("#")):
        assert wanted.specifier.contains(versions[canonicalize_name(wanted.name)]), wanted


def test_every_exception_of_the_audit_has_a_day_and_a_reason() -> None:
    for line in EXCEPTIONS.read_text().splitlines():
        assert not line or line.startswith("#") or re.fullmatch(r"[A-Z]+-\S+ 20\d\d-\d\d-\d\d \S.+", line), line


SAID = {  # what pip-audit prints
    "nothing is known": (0, "No known vulnerabilities found", 0),
    "something is known": (1, "Name Version ID Fix Versions\n---- ---- ----\naiohttp 3.0 CVE-2026-1 3.1", 1),
    "not everything could be asked": (
        0, "Name Skip Reason\naiohttp Dependency not found on PyPI and could not be audited: aiohttp (3.0)", 3),
    "the connection was lost": (1, "ERROR:pip_audit: connection refused", 3),
}  # fmt: skip


@pytest.mark.parametrize("what", SAID)
def test_the_audit_tells_a_clean_answer_from_none(what: str, tmp_path: Path) -> None:
    code, words, wanted = SAID[what]
    tree = tmp_path / "tree"
    shutil.copytree(ROOT / "deploy" / "release", tree / "deploy" / "release")
    exceptions = "CVE-2026-2 2999-01-01 not reached\nCVE-2026-3 2020-01-01 over\n"
    (tree / "deploy" / "audit-exceptions.txt").write_text(exceptions)
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho \"$@\" >'{tmp_path}/asked'\ncat <<'END'\n{words}\nEND\nexit {code}\n")
    python.chmod(0o755)
    done = run("sh", tree / "deploy" / "release" / "audit.sh", python)
    assert done.returncode == wanted, done.stdout + done.stderr
    asked = (tmp_path / "asked").read_text()
    assert "--ignore-vuln CVE-2026-2" in asked
    assert "CVE-2026-3" not in asked
    assert "no longer let pass: CVE-2026-3" in done.stdout
    assert ("says nothing" in done.stderr) is (wanted == 3)
