"""``hfit purge`` removes what has expired and is ours, and nothing else, whatever lies around it."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hfit.credentials.pins import learn_keys, parse_offered_keys
from tests.hfit.conftest import Hfit
from tests.support.package_writer import ORIGIN, Package, PackageKey

PAST, FUTURE = "2024-01-01T00:00:00+00:00", "2999-01-01T00:00:00+00:00"
Place = Callable[..., Path]


@pytest.fixture
def place(home: Path, work: Path, package_key: PackageKey, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Puts a package somewhere below the work folder: an extracted folder, or an archive."""
    monkeypatch.setenv("HFIT_CACHE_DIR", str(home / "cache"))
    offered = {"public_key": package_key.line, "fingerprint": "", "current": True, "endorsement": None}
    learn_keys(home / ".hfit", ORIGIN, parse_offered_keys([offered]))

    def put(where: str, expires: str | None = PAST, **more: object) -> Path:
        package = replace(Package(package_key, expires=expires), **more)
        path = work / where
        path.parent.mkdir(parents=True, exist_ok=True)
        for ending, kind in ((".tar.gz", "gzip"), (".tar.zst", "zstd"), (".tar", "none"), (".archive", "gzip")):
            if where.endswith(ending):
                path.write_bytes(package.archive(kind))
                return path
        for inner, data in package.members():
            file = path / inner
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        return path

    return put


def everything(root: Path) -> set[str]:
    """Every name below the folder, links not followed."""
    return {
        str(Path(folder, name).relative_to(root)) for folder, _, names in os.walk(root) for name in (*names, "")
    }


def test_expired_folders_and_archives_go_and_all_else_stays(place: Place, work: Path, hfit: Hfit) -> None:
    gone = [place("a/case-42"), place("b/c/case.tar.gz"), place("case.tar.zst"), place("case.tar")]
    place("fresh", FUTURE)
    place("forever", None)
    place("other.tar.gz", FUTURE)
    (work / "notes.tar.gz").write_bytes(b"not a package")
    (work / "a" / "mine.txt").write_text("mine")
    (work / "empty").mkdir()
    before = everything(work)
    dry = hfit("purge", "--dry-run")
    assert (dry.code, everything(work)) == (0, before)
    assert {line.split()[-1] for line in dry.out.splitlines()} == {str(path) for path in gone}
    assert hfit("purge").code == 0
    assert not any(path.exists() for path in gone)
    went = {name for name in before if not any((work / name).is_relative_to(path) for path in gone)}
    assert everything(work) == went
    assert hfit("purge", "--json").out == "[]\n"


def test_only_the_places_that_are_named_are_looked_at_and_the_cache(
    place: Place, home: Path, work: Path, hfit: Hfit
) -> None:
    inside, outside = place("in/case"), place("out/case")
    cached = home / "cache" / "packages" / "server" / "x.archive"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(place("kept.archive").read_bytes())
    ran = hfit("purge", "in", "--json", "--all-expired")
    assert ran.code == 0
    assert {item["path"] for item in json.loads(ran.out) if item["removed"]} == {str(inside), str(cached)}
    assert outside.exists()
    assert hfit("purge", "nowhere").code == 4


def test_a_package_that_was_changed_stays_and_is_said(place: Place, hfit: Hfit) -> None:
    path = place("case")
    (path / "README.md").write_text("my notes")
    more = place("more")
    (more / "added.txt").write_text("mine")
    ran = hfit("purge")
    assert ran.code == 5
    assert "2 expired packages stay" in ran.err
    assert (path / "README.md").read_text() == "my notes"
    assert (more / "added.txt").exists()


def test_a_package_of_an_unknown_key_is_nobodys_to_remove(place: Place, hfit: Hfit) -> None:
    foreign = place("foreign", key=PackageKey())
    other_server = place("elsewhere", server="https://other.test")
    assert hfit("purge").out == ""
    assert foreign.exists()
    assert other_server.exists()


def test_links_are_neither_followed_nor_removed(place: Place, home: Path, work: Path, hfit: Hfit) -> None:
    outside = home / "outside"
    outside.mkdir()
    place("case").rename(outside / "case")
    place("case.tar.gz").rename(outside / "case.tar.gz")
    (work / "folder").symlink_to(outside / "case")
    (work / "up").symlink_to(outside)
    (work / "file.tar.gz").symlink_to(outside / "case.tar.gz")
    (work / "loop").symlink_to(work)
    fake = work / "fake"
    fake.mkdir()
    (fake / "METADATA").symlink_to(outside / "case" / "METADATA")
    assert hfit("purge").code == 0
    assert (outside / "case").is_dir()
    assert (outside / "case.tar.gz").is_file()
    assert (work / "up").is_symlink()
    linked = place("linked")
    (linked / "README.md").unlink()
    (linked / "README.md").symlink_to(outside / "case" / "README.md")
    assert hfit("purge").code == 5
    assert (outside / "case" / "README.md").exists()


def test_the_folder_one_stands_in_stays(place: Place, monkeypatch: pytest.MonkeyPatch, hfit: Hfit) -> None:
    path = place("case")
    monkeypatch.chdir(path / "logs")
    ran = hfit("purge", path)
    assert ran.code == 5
    assert path.exists()


def test_an_archive_with_something_behind_it_is_no_package(place: Place, hfit: Hfit) -> None:
    path = place("case.tar.gz")
    path.write_bytes(path.read_bytes() + b"x")
    with io.BytesIO() as buffer:
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            info = tarfile.TarInfo("case-42/METADATA/manifest.json")
            tar.addfile(info, io.BytesIO())
        path.with_name("fake.tar.gz").write_bytes(buffer.getvalue())
    assert hfit("purge").out == ""
    assert path.exists()


@pytest.mark.parametrize("command", [["verify"], ["load", "--into", "sqlite:///t.db"], ["explain"]])
def test_an_expired_package_is_refused_by_every_command_that_uses_it(
    place: Place, hfit: Hfit, command: list[str]
) -> None:
    path = place("case")
    rest = ["customer", "1"] if command == ["explain"] else []
    ran = hfit(command[0], path, *rest, *command[1:])
    assert ran.code == 6
    assert "expired" in ran.err
