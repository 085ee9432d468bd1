"""``hfit refresh`` against a gateway on the wire."""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import tomllib
from pathlib import Path
from typing import Any

import pytest

from hfit.client import Client
from hfit.errors import NotFound
from hfit.output.refresh import RefreshLines
from hfit.package.place import locked
from hfit.refresh.fetch import MAX_PAUSE_SECONDS, pause_seconds
from hfit.transfer import PAUSES_SECONDS, receive
from tests.hfit.conftest import Hfit
from tests.support.fake_hfitd import FakeHfitd, Handler

NAMES = ("alpha", "beta", "gamma")
PLACE = "tests/fixtures"


@pytest.fixture(autouse=True)
def settings(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of its own, no waiting between tries."""
    monkeypatch.setenv("HFIT_CACHE_DIR", str(home / "cache"))
    monkeypatch.delenv("HFIT_CACHE_SIZE", raising=False)
    monkeypatch.setattr(receive, "__defaults__", ((0.0,) * len(PAUSES_SECONDS), None))


def project_text(origin: str, *names: str) -> str:
    tables = [
        f'[packages.{name}]\ntemplate = "{name}"\nparams = {{customer_id = 42}}\ninto = "{PLACE}/{name}"\n'
        for name in names
    ]
    return f'server = "{origin}"\n' + "".join(tables)


@pytest.fixture
def project(logged_in: FakeHfitd, work: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHfitd:
    """Three packages wanted; only ``hfit.toml`` says from where."""
    monkeypatch.delenv("HFIT_SERVER_URL")
    for name in NAMES:
        logged_in.add_package(name, {"a.sql": f"select '{name}';\n".encode(), "b.txt": name.encode() * 500})
    (work / "hfit.toml").write_text(project_text(logged_in.origin, *NAMES))
    logged_in.requests.clear()
    return logged_in


def lock(work: Path) -> dict[str, Any]:
    return tomllib.loads((work / "hfit.lock").read_text())["packages"]  # type: ignore[no-any-return]


def manifest(work: Path, name: str) -> dict[str, Any]:
    return json.loads((work / PLACE / name / "METADATA/manifest.json").read_bytes())  # type: ignore[no-any-return]


def downloads(fake: FakeHfitd) -> int:
    return len(fake.seen("POST", "/packdownload"))


def results(text: str) -> dict[str, str]:
    return {item["name"]: item["result"] for item in json.loads(text)["packages"]}


def refuse(status: int, category: str, code: str, **headers: str) -> Any:
    return lambda handler: handler.error(status, category, code, "No.", **headers)


def only(name: str, answer: Any) -> Any:
    """The answer for one template, the usual one for others."""

    def hook(handler: Handler) -> None:
        asked = json.loads(handler.body)["template_name"]
        answer(handler) if asked == name else handler.send_package()

    return hook


def test_all_packages_are_fetched_placed_and_locked(project: FakeHfitd, hfit: Hfit, work: Path) -> None:
    ended = hfit("refresh")
    assert ended.code == 0, ended.err
    assert sorted(line.split()[:2] for line in ended.out.splitlines()) == [[name, "new"] for name in NAMES]
    for name in NAMES:
        package = manifest(work, name)
        entry = lock(work)[name]
        assert (work / PLACE / name / "b.txt").read_bytes() == name.encode() * 500
        assert entry["package_digest"] == package["package_digest"]
        assert entry["template_digest"] == package["template"]["digest"]
        counted = [member for member in package["members"] if member["path"] != "METADATA/timestamps.json"]
        assert entry["size"] == sum(member["size"] for member in counted)
    assert not list(work.glob(".*"))
    assert not list((work / PLACE).glob(".*"))


def test_unchanged_packages_are_not_transferred(project: FakeHfitd, hfit: Hfit, work: Path) -> None:
    assert hfit("refresh").code == 0
    before = (work / "hfit.lock").read_bytes()
    project.requests.clear()
    ended = hfit("refresh", "--json")
    assert results(ended.out) == dict.fromkeys(NAMES, "untouched")
    assert {item["transferred"] for item in json.loads(ended.out)["packages"]} == {False}
    told = {headers["X-Hfit-Known-Digest"] for headers in project.seen("POST", "/packdownload")}
    assert told == {lock(work)[name]["package_digest"] for name in NAMES}
    assert (work / "hfit.lock").read_bytes() == before


def test_without_a_terminal_a_line_now_and_then_says_how_far_it_is_and_how_long_it_will_take() -> None:
    said: queue.SimpleQueue[str] = queue.SimpleQueue()
    lines = RefreshLines(3, said.put, every_seconds=0.01)
    wanted = r"1 of 3 packages, [\d,.]+ packages/min, \d+:\d\d:\d\d left; now: beta\."
    with lines.running():
        lines.begin("alpha")
        lines.begin("beta")
        lines.end("alpha")
        while not re.fullmatch(wanted, said.get(timeout=60)):
            pass


def test_a_changed_package_replaces_the_earlier_one(project: FakeHfitd, hfit: Hfit, work: Path) -> None:
    assert hfit("refresh").code == 0
    old = lock(work)
    project.add_package("beta", {"a.sql": b"select 2;\n"})
    ended = hfit("refresh", "--json")
    assert results(ended.out) == {"alpha": "untouched", "beta": "updated", "gamma": "untouched"}
    assert [path.name for path in sorted((work / PLACE / "beta").iterdir())] == ["METADATA", "a.sql"]
    assert lock(work)["beta"]["package_digest"] == manifest(work, "beta")["package_digest"]
    assert lock(work)["alpha"] == old["alpha"]


def test_only_the_named_packages_are_fetched_from_a_folder_below(
    project: FakeHfitd, hfit: Hfit, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (work / "deep").mkdir()
    monkeypatch.chdir(work / "deep")
    assert hfit("refresh", "gamma").code == 0
    assert set(lock(work)) == {"gamma"}
    assert hfit("refresh", "alpha").code == 0
    assert set(lock(work)) == {"alpha", "gamma"}
    assert downloads(project) == 2


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (refuse(404, "NOT_FOUND", "NOT_FOUND"), 4),
        (refuse(403, "PERMISSION_DENIED", "PERMISSION_DENIED"), 6),
        (refuse(500, "INTERNAL_ERROR", "INTERNAL_ERROR"), 3),
        (refuse(422, "VALIDATION_ERROR", "PARAM_INVALID"), 2),
    ],
)
def test_one_failure_does_not_stop_the_others(
    project: FakeHfitd, hfit: Hfit, work: Path, answer: Any, code: int
) -> None:
    project.hooks["POST", "/packdownload"] = only("beta", answer)
    ended = hfit("refresh")
    assert ended.code == code
    assert set(lock(work)) == {"alpha", "gamma"}
    assert not (work / PLACE / "beta").exists()
    assert "beta failed" in ended.err
    assert "1 of 3 packages failed" in ended.err


def test_a_failure_keeps_the_earlier_package_and_its_lock(project: FakeHfitd, hfit: Hfit, work: Path) -> None:
    assert hfit("refresh").code == 0
    before = (work / "hfit.lock").read_bytes()
    project.hooks["POST", "/packdownload"] = only("beta", refuse(404, "NOT_FOUND", "NOT_FOUND"))
    ended = hfit("refresh", "--json")
    assert ended.code == 4
    assert json.loads(ended.err)["code"] == "NOT_FOUND"
    assert results(ended.out)["beta"] == "failed"
    assert (work / "hfit.lock").read_bytes() == before
    assert hfit("verify", work / PLACE / "beta").code == 0


def test_the_worst_failure_gives_the_exit_code(project: FakeHfitd, hfit: Hfit) -> None:
    project.packages["alpha"].edit = lambda document: document.update(package_digest="0" * 64)
    project.hooks["POST", "/packdownload"] = only("beta", refuse(403, "PERMISSION_DENIED", "PERMISSION_DENIED"))
    assert hfit("refresh").code == 5
    assert hfit("refresh", "beta", "gamma").code == 6


def test_a_changed_fixture_is_not_overwritten(project: FakeHfitd, hfit: Hfit, work: Path) -> None:
    assert hfit("refresh").code == 0
    (work / PLACE / "alpha/b.txt").write_text("mine")
    project.requests.clear()
    ended = hfit("refresh", "alpha")
    assert ended.code == 6
    assert "remove it" in ended.err
    assert (work / PLACE / "alpha/b.txt").read_text() == "mine"
    assert downloads(project) == 0
    assert hfit("refresh", "alpha", "--locked").code == 5


@pytest.mark.parametrize("options", [[], ["--locked"]])
def test_force_replaces_what_was_changed_by_hand(
    project: FakeHfitd, hfit: Hfit, work: Path, options: list[str]
) -> None:
    assert hfit("refresh").code == 0
    (work / PLACE / "alpha/b.txt").write_text("mine")
    (work / PLACE / "beta/more.txt").write_text("mine")
    ended = hfit("refresh", "--force", "--json", *options)
    assert results(ended.out) == {"alpha": "updated", "beta": "updated", "gamma": "untouched"}
    assert (work / PLACE / "alpha/b.txt").read_text() == "alpha" * 500
    assert not (work / PLACE / "beta/more.txt").exists()
    assert sorted(path.name for path in (work / PLACE).iterdir()) == list(NAMES)


def test_force_never_follows_a_link(project: FakeHfitd, hfit: Hfit, work: Path, home: Path) -> None:
    (home / "elsewhere").mkdir()
    (home / "elsewhere/mine.txt").write_text("mine")
    (work / PLACE).mkdir(parents=True)
    (work / PLACE / "alpha").symlink_to(home / "elsewhere")
    assert hfit("refresh", "--force", "alpha").code == 6
    assert (home / "elsewhere/mine.txt").read_text() == "mine"


def test_a_killed_run_leaves_whole_packages_and_the_next_one_goes_on(
    project: FakeHfitd, hfit: Hfit, work: Path
) -> None:
    """C12: nothing that looks whole but is not, no lock that stays."""
    started, release = threading.Event(), threading.Event()

    def slow(handler: Handler) -> None:
        started.set()
        release.wait(30)
        handler.hang_up()

    project.hooks["POST", "/packdownload"] = only("gamma", slow)
    process = subprocess.Popen([sys.executable, "-m", "hfit", "refresh"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert len([process.stdout.readline(), process.stdout.readline()]) == 2
    assert started.wait(20)
    process.kill()
    process.wait(20)
    release.set()
    process.stdout.close()
    for name in ("alpha", "beta"):
        assert hfit("verify", work / PLACE / name).code == 0
    del project.hooks["POST", "/packdownload"]
    ended = hfit("refresh", "--json")
    assert ended.code == 0, ended.err
    assert set(lock(work)) == set(NAMES)
    assert results(ended.out)["gamma"] == "new"
    assert not [path for path in (work / PLACE).iterdir() if path.name.startswith(".")]


def test_busy_servers_are_waited_for(project: FakeHfitd, hfit: Hfit) -> None:
    """429 and 503 with Retry-After, more often than one request of the gateway tries."""
    counts = {"alpha": 0, "beta": 0}

    def hook(handler: Handler) -> None:
        name = json.loads(handler.body)["template_name"]
        counts[name] = counts.get(name, 0) + 1
        if name == "alpha" and counts[name] <= 3:
            handler.error(429, "RATE_LIMIT", "RATE_LIMITED", "Slow down.", Retry_After="0")
        elif name == "beta" and counts[name] <= 6:
            handler.error(503, "CONNECTION", "BUSY", "Every place is taken.", Retry_After="0")
        else:
            handler.send_package()

    project.hooks["POST", "/packdownload"] = hook
    assert hfit("refresh").code == 0
    assert counts["alpha"] == 4
    assert counts["beta"] == 7


def test_pauses_follow_the_server_and_grow_without_it() -> None:
    assert 5 <= pause_seconds(5.0, 1) <= 6.25
    assert pause_seconds(0.0, 3) == 0
    assert 4 <= pause_seconds(None, 3) <= 5
    assert pause_seconds(3600.0, 1) <= MAX_PAUSE_SECONDS * 1.25


def test_jobs_run_at_once_and_never_more(project: FakeHfitd, hfit: Hfit) -> None:
    inside, most, guard, both = 0, 0, threading.Lock(), threading.Barrier(2, timeout=10)

    def hook(handler: Handler) -> None:
        nonlocal inside, most
        with guard:
            inside += 1
            most = max(most, inside)
        if json.loads(handler.body)["template_name"] != "gamma":
            both.wait()
        handler.send_package()
        with guard:
            inside -= 1

    project.hooks["POST", "/packdownload"] = hook
    assert hfit("refresh", "--jobs", "2").code == 0
    assert most == 2
    assert hfit("refresh", "--jobs", "0").code == 2


def test_threads_renew_an_expired_token_once(project: FakeHfitd, hfit: Hfit) -> None:
    project.tokens.clear()
    before = project.logins
    assert hfit("refresh").code == 0
    assert project.logins == before + 1


def test_a_broken_download_goes_on(project: FakeHfitd, hfit: Hfit, work: Path) -> None:
    project.breaks = [700]
    assert hfit("refresh", "alpha").code == 0
    assert (work / PLACE / "alpha").is_dir()


def test_two_entries_for_one_request_are_fetched_once(project: FakeHfitd, hfit: Hfit, work: Path) -> None:
    text = project_text(project.origin, "alpha")
    (work / "hfit.toml").write_text(text + text.partition("\n")[2].replace("packages.alpha", "packages.copy").replace(
        f"{PLACE}/alpha", f"{PLACE}/copy"))  # fmt: skip
    ended = hfit("refresh", "--json", "--jobs", "1")
    assert [item["transferred"] for item in json.loads(ended.out)["packages"]] == [True, False]
    assert lock(work)["alpha"]["package_digest"] == lock(work)["copy"]["package_digest"]
    assert (work / PLACE / "copy" / "a.sql").is_file()


def test_locked_needs_no_server_when_the_folder_or_the_cache_has_it(
    project: FakeHfitd, hfit: Hfit, work: Path
) -> None:
    assert hfit("refresh").code == 0
    before = (work / "hfit.lock").read_bytes()
    os.rename(work / PLACE / "alpha", work / "away")
    project.tokens.clear()
    project.requests.clear()
    ended = hfit("refresh", "--locked", "--json")
    assert ended.code == 0, ended.err
    assert results(ended.out) == {"alpha": "new", "beta": "untouched", "gamma": "untouched"}
    assert project.requests == []
    assert (work / PLACE / "alpha/a.sql").is_file()
    assert (work / "hfit.lock").read_bytes() == before


def test_locked_goes_back_to_the_locked_package(project: FakeHfitd, hfit: Hfit, work: Path) -> None:
    assert hfit("refresh").code == 0
    before = (work / "hfit.lock").read_bytes()
    project.add_package("beta", {"a.sql": b"select 2;\n"})
    assert hfit("refresh").code == 0
    (work / "hfit.lock").write_bytes(before)
    assert results(hfit("refresh", "--locked", "--json").out)["beta"] == "updated"
    assert manifest(work, "beta")["package_digest"] == lock(work)["beta"]["package_digest"]


def test_locked_fetches_what_is_not_here_and_refuses_another_digest(
    project: FakeHfitd, hfit: Hfit, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert hfit("refresh").code == 0
    before = (work / "hfit.lock").read_bytes()
    for name in NAMES:
        os.rename(work / PLACE / name, work / f"old-{name}")
    monkeypatch.setenv("HFIT_CACHE_DIR", str(work.parent / "another-cache"))
    project.add_package("beta", {"a.sql": b"select 2;\n"})
    ended = hfit("refresh", "--locked", "--json")
    assert ended.code == 5
    assert results(ended.out) == {"alpha": "new", "beta": "failed", "gamma": "new"}
    assert json.loads(ended.err)["code"] == "DIGEST_MISMATCH"
    assert not (work / PLACE / "beta").exists()
    assert (work / "hfit.lock").read_bytes() == before


def test_locked_refuses_what_was_never_locked_or_locked_for_something_else(
    project: FakeHfitd, hfit: Hfit, work: Path
) -> None:
    assert hfit("refresh", "--locked").code == 5
    assert not (work / "hfit.lock").exists()
    assert hfit("refresh").code == 0
    project.requests.clear()
    text = (work / "hfit.toml").read_text()
    (work / "hfit.toml").write_text(text.replace("customer_id = 42", "customer_id = 43", 1))
    ended = hfit("refresh", "--locked")
    assert ended.code == 5
    assert "other parameters" in ended.err
    assert project.requests == []


def test_a_lock_written_by_hand_needs_no_request_digest(project: FakeHfitd, hfit: Hfit, work: Path) -> None:
    assert hfit("refresh", "alpha").code == 0
    lines = [line for line in (work / "hfit.lock").read_text().splitlines() if not line.startswith("request_digest")]
    (work / "hfit.lock").write_text("\n".join(lines))
    assert hfit("refresh", "alpha", "--locked").code == 0
    (work / "hfit.lock").write_text("\n".join(lines).replace('template_digest = "00', 'template_digest = "11'))
    assert hfit("refresh", "alpha", "--locked").code == 5


def test_a_damaged_cache_entry_is_fetched_again(project: FakeHfitd, hfit: Hfit, work: Path, home: Path) -> None:
    assert hfit("refresh", "alpha").code == 0
    os.rename(work / PLACE / "alpha", work / "away")
    (archive,) = (home / "cache").rglob("*.archive")
    archive.write_bytes(archive.read_bytes()[:-1])
    ended = hfit("refresh", "--locked", "alpha", "--json")
    assert (ended.code, json.loads(ended.out)["packages"][0]["transferred"]) == (0, True)


def test_check_says_what_would_change_and_changes_nothing(project: FakeHfitd, hfit: Hfit, work: Path) -> None:
    ended = hfit("refresh", "--check")
    assert ended.code == 1
    assert "alpha  would be new" in ended.out
    assert sorted(path.name for path in work.iterdir()) == ["hfit.toml"]
    assert hfit("refresh").code == 0
    assert hfit("refresh", "--check").code == 0
    before = (work / "hfit.lock").read_bytes()
    project.add_package("beta", {"a.sql": b"select 2;\n"})
    ended = hfit("refresh", "--check", "--json")
    assert ended.code == 1
    assert results(ended.out) == {"alpha": "untouched", "beta": "updated", "gamma": "untouched"}
    assert (work / "hfit.lock").read_bytes() == before
    assert (work / PLACE / "beta/b.txt").is_file()
    project.hooks["POST", "/packdownload"] = only("beta", refuse(404, "NOT_FOUND", "NOT_FOUND"))
    assert hfit("refresh", "--check").code == 4
    assert hfit("refresh", "--check", "--locked").code == 2


def test_a_lost_lock_file_is_a_change(project: FakeHfitd, hfit: Hfit, work: Path) -> None:
    assert hfit("refresh", "alpha").code == 0
    (work / "hfit.lock").unlink()
    assert hfit("refresh", "--check", "alpha").code == 1
    assert results(hfit("refresh", "alpha", "--json").out) == {"alpha": "updated"}
    assert set(lock(work)) == {"alpha"}


def test_entries_that_left_the_project_leave_the_lock(project: FakeHfitd, hfit: Hfit, work: Path) -> None:
    assert hfit("refresh").code == 0
    (work / "hfit.toml").write_text(project_text(project.origin, "alpha"))
    assert hfit("refresh").code == 0
    assert set(lock(work)) == {"alpha"}


def test_python_has_the_same_verb(project: FakeHfitd, work: Path) -> None:
    client = Client(project.origin)
    assert [item.result for item in client.refresh()] == ["new"] * 3
    assert [item.result for item in client.refresh(work, ["beta"], locked=True)] == ["untouched"]
    project.hooks["POST", "/packdownload"] = only("beta", refuse(404, "NOT_FOUND", "NOT_FOUND"))
    errors = [item.error for item in client.refresh(check=True)]
    assert [type(error) for error in errors] == [type(None), NotFound, type(None)]


def test_without_a_login_it_says_so(project: FakeHfitd, hfit: Hfit, home: Path) -> None:
    (home / ".hfit" / "token").unlink()
    ended = hfit("refresh", "alpha")
    assert ended.code == 1
    assert "hfit login" in ended.err


def test_two_runs_in_one_project_do_not_mix(project: FakeHfitd, hfit: Hfit, work: Path) -> None:
    with locked(work / "hfit.lock"):
        assert hfit("refresh").code == 1
    assert downloads(project) == 0


def test_an_interruption_ends_it_at_once_and_locks_what_is_there(
    project: FakeHfitd, hfit: Hfit, work: Path
) -> None:
    """C12: the slow package leaves nothing, the quick ones are locked."""
    started, release = threading.Event(), threading.Event()

    def slow(handler: Handler) -> None:
        started.set()
        release.wait(30)
        handler.hang_up()

    project.hooks["POST", "/packdownload"] = only("gamma", slow)
    process = subprocess.Popen([sys.executable, "-m", "hfit", "refresh"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline(), process.stdout.readline()]
    assert started.wait(20)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130  # the server still holds the answer back
    release.set()
    process.stdout.close()
    assert {line.split()[0] for line in lines} == set(lock(work)) == {"alpha", "beta"}
    assert not (work / PLACE / "gamma").exists()


def test_an_expired_package_is_replaced_and_one_that_arrives_expired_is_refused(
    project: FakeHfitd, work: Path, hfit: Hfit
) -> None:
    past, future = "2024-01-01T00:00:00+00:00", "2999-01-01T00:00:00+00:00"
    alpha = project.packages["alpha"]
    alpha.expires = future
    assert hfit("refresh", "alpha").code == 0
    alpha.expires = past
    for path, data in alpha.members():  # the very same package, made long ago
        (work / PLACE / "alpha" / path).write_bytes(data)
    alpha.expires = future
    assert hfit("refresh", "alpha").code == 0
    assert manifest(work, "alpha")["expires"] == future
    project.add_package("alpha", {"a.sql": b"select 'new';\n"}).expires = past
    refused = hfit("refresh", "alpha")
    assert (refused.code, "expired" in refused.err) == (6, True)
    assert manifest(work, "alpha")["expires"] == future
