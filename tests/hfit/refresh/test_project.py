"""``hfit.toml`` is read strictly, ``hfit.lock`` written in one way."""

from __future__ import annotations

from pathlib import Path

import pytest

from hfit.errors import IntegrityFailed, UsageMistake
from hfit.refresh.lock import Locked, lock_text, read_lock, write_lock
from hfit.refresh.project import find_project, read_project, require_project
from tests.hfit.conftest import Hfit

GOOD = """
server = "https://Hfit.Example.com:443"
[packages.case]
template = "customer-case"
params = {customer_id = 42, since = 2024-01-01, deep = true}
into = "tests/fixtures/case"
[packages.list]
template = "dev@example.com:list"
params = ["a", 2]
into = "tests/fixtures/list"
compression = "zstd"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "hfit.toml"
    path.write_text(text)
    return path


def test_a_project_is_read(tmp_path: Path) -> None:
    project = read_project(write(tmp_path, GOOD))
    assert project.server == "https://hfit.example.com"
    case, listed = project.choose([])
    assert case.params == {"customer_id": 42, "since": "2024-01-01", "deep": True}
    assert case.into == tmp_path / "tests/fixtures/case"
    assert (listed.params, listed.compression) == (["a", 2], "zstd")
    assert [wanted.name for wanted in project.choose(["list"])] == ["list"]


def test_the_nearest_file_above_counts(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert find_project(inner) == tmp_path / "hfit.toml"
    write(inner, GOOD)
    assert find_project(inner) == inner / "hfit.toml"


def test_without_a_file_there_is_an_example(tmp_path: Path) -> None:
    with pytest.raises(UsageMistake) as caught:
        require_project(tmp_path)
    assert "[packages.case]" in "\n".join(caught.value.suggestions)


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to(tmp_path.parent)
    text = """
    server = "ftp://x"
    sever = 1
    [packages.a]
    into = "../up"
    params = {x = [1], y = nan}
    [packages.b]
    template = "t"
    into = "/etc/x"
    kompression = "zip"
    [packages.c]
    template = "t"
    into = "out/c"
    compression = "zip"
    [packages."no good"]
    template = "t"
    into = "d"
    [packages.e]
    template = "t"
    into = "d/inner"
    """
    with pytest.raises(UsageMistake) as caught:
        read_project(write(tmp_path, text))
    said = "\n".join([caught.value.reason, *caught.value.suggestions])
    for part in (
        "sever:", "server:", "packages.a.template", "packages.a.into", "packages.a.params.x", "packages.a.params.y",
        "packages.b.into", "packages.b.kompression", "packages.c.into", "packages.c.compression", "packages.no good",
        "packages.e.into: it overlaps",
    ):  # fmt: skip
        assert part in said
    assert len(said.splitlines()) == 12
    assert "sever: there is no such key; did you mean 'server'?" in said
    assert "packages.b.kompression: there is no such key; did you mean 'compression'?" in said


@pytest.mark.parametrize("text", ["", "packages = 1", "[packages]", "not toml", "[packages]\na = 1"])
def test_a_file_without_packages_is_a_mistake(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageMistake):
        read_project(write(tmp_path, text))


def test_an_unknown_name_is_answered_with_the_nearest(hfit: Hfit, work: Path) -> None:
    write(work, GOOD)
    ended = hfit("refresh", "cas")
    assert ended.code == 2
    assert "Did you mean case?" in ended.err


def test_what_is_asked_for_has_a_digest(tmp_path: Path) -> None:
    one = read_project(write(tmp_path, GOOD)).packages["case"]
    other = read_project(write(tmp_path, GOOD.replace("42", "43"))).packages["case"]
    moved = read_project(write(tmp_path, GOOD.replace("fixtures/case", "elsewhere"))).packages["case"]
    assert one.request_digest != other.request_digest
    assert one.request_digest == moved.request_digest


def test_the_lock_file_has_one_spelling(tmp_path: Path) -> None:
    path = tmp_path / "hfit.lock"
    entries = {"b.c": Locked("1" * 64, "2" * 64, 7, "3" * 64), "a": Locked('odd"\n', "4" * 64, 0)}
    assert write_lock(path, entries)
    assert read_lock(path) == entries
    before = path.stat().st_mtime_ns
    assert not write_lock(path, dict(reversed(entries.items())))
    assert path.stat().st_mtime_ns == before
    assert list(tmp_path.glob("*.lock*")) == [path]
    assert not list(tmp_path.glob(".*"))
    assert lock_text(entries).index("[packages.a]") < lock_text(entries).index('[packages."b.c"]')


@pytest.mark.parametrize(
    "text", ["version = 2", "x", "packages = 1", "[packages.a]\nsize = 1", "packages.a = 1", "\xff"], ids=repr
)
def test_a_damaged_lock_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "hfit.lock"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(IntegrityFailed):
        read_lock(path)
