"""The worked examples of the pytest plugin, as their pages tell to use them, against a real gateway."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.live.daemon import Ran, run
from tests.live.databases import run_sql
from tests.live.world import World
from tests.support.source import ROOT


@pytest.fixture(scope="module")
def project(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example with its templates pushed and its packages fetched."""
    return copied(world, "pytest_project", tmp_path_factory.mktemp("example"))


def copied(world: World, name: str, place: Path) -> Path:
    """A copy of an example with its templates pushed and its packages fetched."""
    folder = place / name
    shutil.copytree(ROOT / "examples" / name, folder, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    for arguments in (("login",), ("pkg-tmpl", "push", "templates"), ("refresh",)):
        done = hfit(world, folder, *arguments)
        assert done.code == 0, done.err + done.out
    return folder


def environment(world: World, folder: Path) -> dict[str, str]:
    server = world.shop.postgres
    return world.daemon.client_environment(world.dev) | {
        "HFIT_CACHE_DIR": str(folder.parent / "cache"),
        "EXAMPLE_POSTGRES": f"postgresql://{server.user}:{server.password}@{server.host}:{server.port}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def hfit(world: World, folder: Path, *arguments: str) -> Ran:
    return run(world.daemon.client_argv(*arguments), folder, environment(world, folder))


def run_tests(world: World, folder: Path, *arguments: str) -> Ran:
    settings = ["-o", "asyncio_default_fixture_loop_scope=function", "-p", "no:cacheprovider"]
    base = f"--basetemp={folder.parent / 'basetemp'}"
    return run([sys.executable, "-m", "pytest", *settings, base, *arguments], folder, environment(world, folder), 110)


@pytest.mark.parametrize("processes", ["0", "2"])
def test_the_example_passes(project: Path, world: World, processes: str) -> None:
    before = run_sql(world.shop.postgres, "SELECT datname FROM pg_database ORDER BY 1")
    done = run_tests(world, project, "-n", processes)
    assert done.code == 0, done.out + done.err
    assert "10 passed" in done.out
    assert run_sql(world.shop.postgres, "SELECT datname FROM pg_database ORDER BY 1") == before


@pytest.mark.parametrize("name", ["sqlalchemy_project", "django_project"])
def test_the_example_with_a_framework_passes(name: str, project: Path, world: World) -> None:
    folder = copied(world, name, project.parent)  # beside the other, with whose cache it shares the package
    done = run_tests(world, folder)
    assert done.code == 0, done.out + done.err
    assert "4 passed" in done.out


def test_a_second_refresh_transfers_nothing_and_the_locked_one_asks_nobody(project: Path, world: World) -> None:
    again = json.loads(hfit(world, project, "refresh", "--json").out)
    assert [(item["result"], item["transferred"]) for item in again["packages"]] == [("untouched", False)] * 2
    shutil.rmtree(project / "fixtures/invoices")
    dead = environment(world, project) | {"HFIT_CONFIG_DIR": str(project.parent / "config")}
    (project.parent / "config").mkdir(mode=0o700)
    shutil.copy(world.dev.folder / "hfit" / "known_servers", project.parent / "config")  # no token: it cannot ask
    locked = run(world.daemon.client_argv("refresh", "--locked", "--json"), project, dead)
    assert locked.code == 0, locked.err
    assert [item["result"] for item in json.loads(locked.out)["packages"]] == ["new", "untouched"]
    assert run(world.daemon.client_argv("verify", "fixtures/invoices"), project, dead).code == 0
