"""The README, the quick start and the tutorials are run as they stand: every block of shell, in its order."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from hfitd.config.load import load_config
from tests.live.servers import free_port
from tests.support.pages import blocks, run_shell
from tests.support.source import ROOT

DEMO_PAGES = ("README.md", "docs/first-package.md", "docs/reproduce-a-bug.md", "docs/nightly-refresh.md")
BIN = Path(sys.executable).parent


@pytest.mark.timeout(300)
def test_the_quick_start_leads_from_a_clone_to_a_loaded_package(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Literally, but for the port, which may be taken here, and for pip, which finds libraries without a network."""
    clone = tmp_path_factory.mktemp("q")  # short: the path of a socket has at most 107 bytes
    for name in ("setup.cfg", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, clone)
    for name in ("hfit", "hfitd"):
        shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    script = "\n".join(blocks("docs/quickstart.md", "sh")).replace("8765", str(free_port()))
    libraries = next(path for path in map(Path, sys.path) if path.name == "site-packages")
    # whatever happens, the daemon that the page starts ends with the test
    guarded = "trap 'test ! -e hfitd.pid || kill \"$(cat hfitd.pid)\" 2> kill.err || true' EXIT\n" + script
    done = run_shell(
        guarded, clone,
        {
            "PATH": f"{Path(sys.base_prefix) / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(libraries),
            "PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "main.customer (id=42)  root" in done.stdout
    assert "The target holds exactly its rows: 8 in 4 tables." in done.stderr
    assert "bo.berg@shop.test" not in done.stdout
    assert (clone / ".venv" / "bin" / "hfit").exists()


def test_the_other_provider_of_the_quick_start_is_a_valid_one(tmp_path: Path) -> None:
    (block,) = blocks("docs/quickstart.md", "toml")
    (tmp_path / "config.toml").write_text(block)
    assert set(load_config(tmp_path / "config.toml", {"SHOP_PASSWORD": "x"}).providers) == {"shop"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Mapping[str, str]]]:
    """A demo that keeps running: its folder, and the environment that it tells to paste."""
    home = tmp_path_factory.mktemp("p")
    done = subprocess.run(
        [sys.executable, "-m", "hfitd", "demo", "--keep"],
        env={"PATH": f"{BIN}:/usr/bin:/bin", "TMPDIR": str(home)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = home.iterdir()
    shutil.rmtree(folder / "case-42")
    yield folder, {"HFIT_CONFIG_DIR": str(folder / "client"), "PATH": f"{BIN}:/usr/bin:/bin"}
    stop = done.stdout.rpartition("To stop it: ")[2].strip()
    process = shlex.split(stop)[1].rstrip(";")
    subprocess.run(["kill", process], check=True)


@pytest.mark.parametrize("page", DEMO_PAGES)
def test_every_block_of_the_page_runs_on_the_demo(page: str, demo: tuple[Path, Mapping[str, str]]) -> None:
    folder, environment = demo
    own = folder / Path(page).stem
    own.mkdir()
    script = "\n".join(block for block in blocks(page, "sh") if not block.startswith("make "))
    done = run_shell(script, own, environment)
    assert done.returncode == 0, done.stderr[-3000:]
    if "bug" in page:
        assert "0 with another total" in done.stdout


def test_the_first_block_of_the_readme_names_targets_that_do_what_it_says() -> None:
    first, *_ = blocks("README.md", "sh")
    commands = [line.partition("#")[0].strip() for line in first.splitlines()]
    assert commands == ["make demo", "make test"]
    for command, does in zip(commands, ("hfitd demo", "-m pytest"), strict=True):
        argv = ["make", "-n", *command.split()[1:]]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
        assert does in done.stdout


def test_the_examples_of_the_python_page_run(demo: tuple[Path, Mapping[str, str]]) -> None:
    folder, environment = demo
    own = folder / "python"
    own.mkdir()
    for block in blocks("docs/python.md", "python"):
        if "import" in block:
            done = subprocess.run(
                [sys.executable, "-c", block], cwd=own, env={"HOME": str(own), **environment},
                capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
    assert (own / "case.db").exists()
    assert (own / "case-5").is_dir()


def test_every_yaml_and_toml_block_of_the_pages_can_be_read() -> None:
    for path in (ROOT / "docs").glob("*.md"):
        page = path.relative_to(ROOT).as_posix()
        for block in blocks(page, "yaml"):
            yaml.safe_load(block)
        for block in blocks(page, "toml"):
            tomllib.loads(block)
