"""Packages and files that arrive, break off, go on, and stand in the way."""

from __future__ import annotations

import dataclasses
import errno
import io
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hfit.client import Client
from hfit.errors import TargetBusy
from hfit.package.place import locked
from hfit.running_digest import RunningDigest
from hfit.transfer import PAUSES_SECONDS, PartFile, Record, check_digest, receive
from tests.hfit.conftest import Hfit
from tests.live.daemon import bound_by_permissions
from tests.support.fake_hfitd import FakeHfitd, Handler
from tests.support.package_writer import FILES, Package, PackageKey, pack, tar_of

NAME = "customer-case"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting between tries."""
    monkeypatch.setattr(receive, "__defaults__", ((0.0,) * len(PAUSES_SECONDS), None))


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_a_package_is_extracted_into_its_own_name(
    logged_in: FakeHfitd, hfit: Hfit, work: Path, compression: str
) -> None:
    logged_in.compression = compression
    ended = hfit("pkg-download", NAME, "customer_id=42", "--compression", compression)
    assert (ended.code, ended.out) == (0, f"{work}/case-42\n")
    assert (work / "case-42" / "20-customer.sql").read_bytes() == FILES["20-customer.sql"]
    assert (work / "case-42").stat().st_mode & 0o777 == 0o755
    assert leftovers(work) == []
    assert hfit("verify", "case-42").code == 0
    document = json.loads(hfit("verify", "case-42", "--json").out)
    assert (document["kind"], document["key_fingerprint"]) == ("directory", logged_in.package_key.fingerprint)


def test_an_archive_is_kept_as_it_came(logged_in: FakeHfitd, hfit: Hfit, work: Path) -> None:
    assert hfit("pkg-download", NAME, "42", "--archive").out == f"{work}/case-42.tar.gz\n"
    assert (work / "case-42.tar.gz").read_bytes() == logged_in.archive()[1]
    assert hfit("verify", "case-42.tar.gz").code == 0
    assert hfit("pkg-download", NAME, "42", "--archive").code == 0
    (work / "case-42.tar.gz").write_text("mine")
    assert hfit("pkg-download", NAME, "42", "--archive").code == 6
    assert (work / "case-42.tar.gz").read_text() == "mine"
    assert hfit("pkg-download", NAME, "42", "--archive", "--force").code == 0
    assert hfit("pkg-download", NAME, "42", "-o", "-").raw == logged_in.archive()[1]
    assert hfit("pkg-download", NAME, "42", "--archive", "-o", "sub/x.tgz", "--json").code == 0
    assert (work / "sub" / "x.tgz").exists()
    assert leftovers(work) == []


def test_parameters_go_out_named_or_positional(logged_in: FakeHfitd, hfit: Hfit) -> None:
    bodies = []

    def note(handler: Handler) -> None:
        bodies.append(json.loads(handler.body))
        handler.send_package()

    logged_in.hooks["POST", "/packdownload"] = note
    hfit("pkg-download", NAME, "a=1", "b=x=y", "-o", "x")
    hfit("pkg-download", NAME, "1", "two words", "-o", "x", "--refresh", "--compression", "gzip")
    assert bodies[0] == {
        "template_name": NAME,
        "parameters": {"a": "1", "b": "x=y"},
        "compression": "gzip",
        "refresh": False,
    }
    assert (bodies[1]["parameters"], bodies[1]["refresh"]) == (["1", "two words"], True)
    assert hfit("pkg-download", NAME, "a=1", "2").code == 2
    assert hfit("pkg-download", NAME, "a=1", "a=2").code == 2


def test_an_unchanged_package_is_not_transferred_again(logged_in: FakeHfitd, hfit: Hfit, work: Path) -> None:
    assert hfit("pkg-download", NAME, "customer_id=42").code == 0
    inode = (work / "case-42").stat().st_ino
    for target in ([], ["-o", "case-42"]):
        ended = hfit("pkg-download", NAME, "customer_id=42", "--json", *target)
        assert json.loads(ended.out)["unchanged"] is True
    assert (work / "case-42").stat().st_ino == inode
    ended = hfit("pkg-download", NAME, "customer_id=42", "--refresh", "--json")
    assert json.loads(ended.out)["unchanged"] is False
    assert "X-Hfit-Known-Digest" not in logged_in.seen("POST", "/packdownload")[-1]


def test_an_unmodified_earlier_package_is_replaced(logged_in: FakeHfitd, hfit: Hfit, work: Path) -> None:
    assert hfit("pkg-download", NAME, "42").code == 0
    logged_in.package.files = {"new.csv": b"1\n"}
    assert hfit("pkg-download", NAME, "42").code == 0
    assert (work / "case-42" / "new.csv").exists()
    assert not (work / "case-42" / "20-customer.sql").exists()
    assert leftovers(work) == []


def test_c05_anything_else_at_the_target_is_refused_without_force(
    logged_in: FakeHfitd, hfit: Hfit, work: Path, home: Path
) -> None:
    assert hfit("pkg-download", NAME, "42").code == 0
    (work / "case-42" / "notes.txt").write_text("mine")
    logged_in.package.files = {"new.csv": b"1\n"}
    ended = hfit("pkg-download", NAME, "42")
    assert ended.code == 6
    assert "--force" in ended.err
    assert (work / "case-42" / "notes.txt").read_text() == "mine"
    assert hfit("pkg-download", NAME, "42", "--force").code == 0
    assert not (work / "case-42" / "notes.txt").exists()
    (work / "file").write_text("mine")
    assert hfit("pkg-download", NAME, "42", "-o", "file").code == 6
    (work / "empty").mkdir()
    assert hfit("pkg-download", NAME, "42", "-o", "empty").code == 0
    (work / "link").symlink_to(home)
    for precious in ("link", home, work, "/", home.parent):
        before = len(logged_in.requests)
        assert hfit("pkg-download", NAME, "42", "-o", precious, "--force").code == 6
        assert len(logged_in.requests) == before
    assert leftovers(work) == []


def test_c05_a_full_disk_leaves_nothing(
    logged_in: FakeHfitd, hfit: Hfit, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, count, limit = os.fsync, [0], [0]

    def full(descriptor: int) -> None:
        count[0] += 1
        if count[0] == limit[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)  # the system's edge, not our code
    for limit[0] in range(1, 12):
        count[0] = 0
        ended = hfit("pkg-download", NAME, "42")
        assert ended.code == 1
        assert "No space left" in ended.err
        assert [name for name in os.listdir(work) if "hfit" not in name or "lock" in name] == []


def test_c05_a_folder_that_cannot_be_written_is_said_and_left_as_it_is(logged_in: FakeHfitd, work: Path) -> None:
    work.chmod(0o555)
    argv = [*bound_by_permissions(), sys.executable, "-m", "hfit", "pkg-download", NAME, "42"]
    done = subprocess.run(argv, cwd=work, capture_output=True, check=False)
    work.chmod(0o755)
    assert done.returncode not in {0, -9}
    assert b"Traceback" not in done.stderr
    assert str(work).encode() in done.stderr or b"Permission" in done.stderr
    assert os.listdir(work) == []


def test_c09_a_download_without_checked_certificates_says_so_in_its_document(
    logged_in: FakeHfitd, hfit: Hfit
) -> None:
    for arguments, insecure in ((), False), (("--insecure",), True):
        ended = hfit("pkg-download", NAME, "42", "--refresh", "--json", *arguments)
        assert json.loads(ended.out)["insecure"] is insecure


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99, 1.0])
def test_a_broken_package_download_goes_on_by_range(logged_in: FakeHfitd, hfit: Hfit, work: Path, share: float) -> None:
    logged_in.package.files = {**FILES, "big.bin": os.urandom(200_000)}
    size = len(logged_in.archive()[1])
    logged_in.breaks = [int(size * share), 1000, 0]
    assert hfit("pkg-download", NAME, "42").code == 0
    assert hfit("verify", "case-42").code == 0
    resumed = [headers for method, path, headers in logged_in.requests if path.startswith("/packages/")]
    assert len(resumed) == (2 if share == 1.0 else 3) or share == 1.0
    assert all(headers["If-Range"].startswith('"') for headers in resumed)
    assert leftovers(work) == []


def test_c12_a_killed_download_leaves_no_package_and_goes_on_later(
    logged_in: FakeHfitd, hfit: Hfit, work: Path
) -> None:
    logged_in.package.files = {**FILES, "big.bin": os.urandom(300_000)}
    data = logged_in.archive()[1]
    sent, finish = threading.Event(), threading.Event()

    def half(handler: Handler) -> None:
        handler.send_response(200)
        package_id = logged_in.archive()[0]
        for name, value in {
            "ETag": f'"{package_id}"',
            "X-Hfit-Package": package_id,
            "Transfer-Encoding": "chunked",
        }.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.chunk(data[: len(data) // 2])
        handler.wfile.flush()
        sent.set()
        finish.wait(30)

    for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        sent.clear()
        finish.clear()
        logged_in.hooks["POST", "/packdownload"] = half
        for path in work.glob(".hfit-*"):
            path.unlink()
        process = subprocess.Popen([sys.executable, "-m", "hfit", "pkg-download", NAME, "42"], cwd=work)
        assert sent.wait(30)
        part = None
        while not part or not part.stat().st_size >= len(data) // 2 - 65536:
            part = next(iter(work.glob(".hfit-*.part")), None)
        process.send_signal(kind)
        assert process.wait(30) in (130, -9)
        finish.set()
        assert not (work / "case-42").exists()
    del logged_in.hooks["POST", "/packdownload"]
    assert hfit("pkg-download", NAME, "42").code == 0
    assert logged_in.seen("POST", "/packdownload")[-1]["User-Agent"]
    assert logged_in.requests[-1][1].startswith("/packages/")
    assert int(logged_in.requests[-1][2]["Range"][6:-1]) > 0
    assert hfit("verify", "case-42").code == 0
    assert leftovers(work) == []


def test_c12_a_server_that_dies_leaves_nothing_that_looks_whole(logged_in: FakeHfitd, hfit: Hfit, work: Path) -> None:
    logged_in.breaks = [100] * 50
    ended = hfit("pkg-download", NAME, "42")
    assert ended.code == 1
    assert "broke" in ended.err
    assert not (work / "case-42").exists()
    logged_in.breaks = []
    assert hfit("pkg-download", NAME, "42").code == 0


def test_r01_a_package_that_went_with_its_instance_is_asked_for_anew(
    logged_in: FakeHfitd, hfit: Hfit, work: Path
) -> None:
    lost = logged_in.archive()[0]
    logged_in.breaks = [100]
    logged_in.hooks["GET", f"/packages/{lost}"] = Handler.not_found
    assert hfit("pkg-download", NAME, "42").code == 0
    assert len(logged_in.seen("POST", "/packdownload")) == 2
    assert hfit("verify", "case-42").code == 0
    assert leftovers(work) == []


@pytest.mark.parametrize("answer", ["502 of a load balancer", "429 of the gateway", "no answer"])
def test_r01_an_instance_that_fell_away_or_is_busy_is_asked_again(
    logged_in: FakeHfitd, hfit: Hfit, work: Path, answer: str
) -> None:
    def once(handler: Handler) -> None:
        del logged_in.hooks["POST", "/packdownload"]
        if answer.startswith("502"):
            handler.send(502, b"<html>Bad Gateway</html>", "text/html")
        elif answer.startswith("429"):
            handler.error(429, "RATE_LIMIT", "RATE_LIMITED", "Too many packages at once.", Retry_After="1")
        else:
            handler.close_connection = True

    logged_in.hooks["POST", "/packdownload"] = once
    assert hfit("pkg-download", NAME, "42").code == 0
    assert len(logged_in.seen("POST", "/packdownload")) == 2
    assert hfit("verify", "case-42").code == 0


def test_c12_two_hfit_on_one_target_do_not_meet(logged_in: FakeHfitd, hfit: Hfit, work: Path) -> None:
    with locked(work / "case-42"):
        ended = hfit("pkg-download", NAME, "42")
        assert (ended.code, "Another hfit" in ended.err) == (1, True)
        with pytest.raises(TargetBusy), locked(work / "case-42"):
            pass
    assert hfit("pkg-download", NAME, "42").code == 0


def test_c12_folders_of_killed_runs_are_cleared(logged_in: FakeHfitd, hfit: Hfit, work: Path) -> None:
    (work / ".case-42.part-abcdefgh").mkdir()
    (work / ".case-42.part-abcdefgh" / "x").touch()
    assert hfit("pkg-download", NAME, "42").code == 0
    assert leftovers(work) == []


def test_a_package_that_changed_meanwhile_starts_over(logged_in: FakeHfitd, hfit: Hfit, work: Path) -> None:
    logged_in.breaks = [3000]
    real = logged_in.package

    def changed(handler: Handler) -> None:
        logged_in.package = dataclasses.replace(real, files={"other.csv": b"2\n" * 3000})
        other_id, data = logged_in.archive()
        handler.ranged(data, f'"{other_id}"', X_Hfit_Package=other_id)

    package_id = logged_in.archive()[0]
    logged_in.hooks["GET", f"/packages/{package_id}"] = changed
    assert hfit("pkg-download", NAME, "42").code == 0
    assert (work / "case-42" / "other.csv").exists()


@pytest.mark.parametrize("lie", ["bytes 5-9/10", "bytes 0-9/10", "", "bytes */7", "lines 1-2/3"])
def test_c11_a_rest_that_does_not_fit_is_refused(logged_in: FakeHfitd, hfit: Hfit, work: Path, lie: str) -> None:
    package_id, data = logged_in.archive()
    logged_in.breaks = [1000]
    logged_in.hooks["GET", f"/packages/{package_id}"] = lambda h: h.send(206, data[1000:], Content_Range=lie)
    assert hfit("pkg-download", NAME, "42").code == 1
    assert not (work / "case-42").exists()


def test_a_damaged_package_is_refused_and_removed(logged_in: FakeHfitd, hfit: Hfit, work: Path) -> None:
    data = logged_in.archive()[1]
    bad = {
        "cut": data[:-1],
        "flipped": data[:500] + bytes([data[500] ^ 4]) + data[501:],
        "more": data + b"x",
        "empty": b"",
        "html": b"<html></html>",
        "traversal": pack(tar_of([("case-42/../../evil", b"x")]), "gzip"),
    }
    for body in bad.values():
        logged_in.hooks["POST", "/packdownload"] = lambda h, b=body: h.send(200, b, ETag='"x"', X_Hfit_Package="x")
        ended = hfit("pkg-download", NAME, "42", "--json")
        assert ended.code == 5
        assert json.loads(ended.err)["category"] == "INTEGRITY"
        assert list(work.iterdir()) == []
        assert not (work.parent / "evil").exists()


def test_c03_a_package_of_another_key_or_server_is_refused(logged_in: FakeHfitd, hfit: Hfit, work: Path) -> None:
    right = logged_in.package
    logged_in.package = dataclasses.replace(right, key=PackageKey())
    ended = hfit("pkg-download", NAME, "42")
    assert ended.code == 5
    assert right.key.fingerprint in ended.err
    with FakeHfitd().running() as other:
        pins = work.parent / ".hfit" / "known_servers"
        pins.write_text(pins.read_text() + f"{other.origin} {other.package_key.line}\n")
        logged_in.package = Package(other.package_key, server=other.origin)
        ended = hfit("pkg-download", NAME, "42")
        assert (ended.code, "another server" in ended.err) == (5, True)
    assert list(work.iterdir()) == []


def test_c03_a_rotated_key_is_learned_when_the_old_one_endorsed_it(logged_in: FakeHfitd, hfit: Hfit) -> None:
    new = PackageKey()
    endorsement = logged_in.package_key.sign(new.line.encode(), "hfit-package-key@hfitd.v1").decode()
    offered = {"public_key": new.line, "fingerprint": new.fingerprint, "current": True, "endorsement": endorsement}
    logged_in.offered.append(offered)
    logged_in.package = dataclasses.replace(logged_in.package, key=new)
    assert hfit("pkg-download", NAME, "42").code == 0


def test_an_expired_package_is_not_extracted(logged_in: FakeHfitd, hfit: Hfit, work: Path) -> None:
    logged_in.package.expires = "2020-01-01T00:00:00+00:00"
    assert hfit("pkg-download", NAME, "42").code == 6
    assert not (work / "case-42").exists()


def test_verify_with_a_key_needs_no_login(logged_in: FakeHfitd, hfit: Hfit, home: Path, work: Path) -> None:
    assert hfit("pkg-download", NAME, "42").code == 0
    (home / ".hfit" / "known_servers").unlink()
    assert hfit("verify", "case-42").code == 5
    assert hfit("verify", "case-42", "--key", logged_in.package_key.fingerprint).code == 0
    (work / "key.pub").write_text(logged_in.package_key.line)
    assert hfit("verify", "case-42", "--key", "key.pub").code == 0
    assert hfit("verify", "case-42", "--key", PackageKey().fingerprint).code == 5
    assert hfit("verify", "case-42", "--key", "nothing").code == 2
    assert hfit("verify", "nothing").code == 4


def test_sql_streams_in_load_order_after_everything_was_verified(logged_in: FakeHfitd, hfit: Hfit, work: Path) -> None:
    wanted = FILES["10-tables.sql"] + FILES["20-customer.sql"]
    assert hfit("pkg-download", NAME, "42", "--stream-sql").raw == wanted
    assert list(work.iterdir()) == []
    logged_in.package.providers = {"20-customer.sql": "other"}
    ended = hfit("pkg-download", NAME, "42", "--stream-sql")
    assert (ended.code, ended.out, "--provider other" in ended.err) == (2, "", True)
    assert hfit("pkg-download", NAME, "42", "--stream-sql", "--provider", "other").raw == FILES["20-customer.sql"]
    assert hfit("pkg-download", NAME, "42", "--stream-sql", "--provider", "none").code == 2
    assert hfit("pkg-download", NAME, "42", "--provider", "other").code == 2
    logged_in.package.files = {"a.csv": b""}
    assert hfit("pkg-download", NAME, "42", "--stream-sql").code == 2
    logged_in.package = Package(PackageKey(), server=logged_in.origin)
    ended = hfit("pkg-download", NAME, "42", "--stream-sql")
    assert (ended.code, ended.out) == (5, "")


@pytest.mark.parametrize("size", [10, 2_000_000])
def test_a_reader_of_sql_that_leaves_is_told_without_a_traceback(logged_in: FakeHfitd, work: Path, size: int) -> None:
    logged_in.package.files = {"a.sql": b"-- " + b"x" * size + b"\n"}
    read, write = os.pipe()
    os.close(read)  # as a client does that could not connect
    argv = [sys.executable, "-m", "hfit", "pkg-download", NAME, "42", "--stream-sql"]
    done = subprocess.run(argv, cwd=work, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: Whoever reads the SQL ended before all of it was written.")
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
    assert list(work.iterdir()) == []


def test_a_file_of_a_volume_arrives_and_goes_on(logged_in: FakeHfitd, hfit: Hfit, work: Path) -> None:
    content = logged_in.files["app/a.log"]
    assert hfit("download", "app_logs:/app/a.log").out == f"{work}/a.log\n"
    assert (work / "a.log").read_bytes() == content
    logged_in.breaks = [70_000, 0, 100]
    assert hfit("download", "app_logs:/app/a.log", "-o", "copy").code == 0
    assert (work / "copy").read_bytes() == content
    assert [h.get("Range") for h in logged_in.seen("GET", "/files/app_logs/download")][-1] == "bytes=70100-"
    assert hfit("download", "app_logs:/app/a.log", "-o", "-").raw == content
    (work / "folder").mkdir()
    assert hfit("download", "app_logs", "name:*.log", "sort:mtime:desc", "-o", "folder", "--json").code == 0
    assert (work / "folder" / "a.log").read_bytes() == content
    assert hfit("download", "app_logs:/none").code == 4
    for arguments in (
        ["app_logs"],
        ["app_logs:/"],
        ["app_logs:/x", "name:y"],
        ["app_logs", "colour:red"],
        ["app_logs", "name:"],
    ):
        assert hfit("download", *arguments).code == 2
    assert leftovers(work) == []


def test_a_file_with_another_digest_is_removed(logged_in: FakeHfitd, hfit: Hfit, work: Path) -> None:
    def lie(handler: Handler) -> None:
        handler.send(200, b"other", "text/plain", ETag='"x"', Repr_Digest="sha-256=:" + "A" * 43 + "=:")

    logged_in.hooks["GET", "/files/app_logs/download"] = lie
    assert hfit("download", "app_logs:/app/a.log").code == 5
    assert list(work.iterdir()) == []
    logged_in.hooks.clear()
    logged_in.announce_digest = False
    assert json.loads(hfit("download", "app_logs:/app/a.log", "--json").out)["verified"] is False


def test_c04_a_proposed_file_name_cannot_leave_or_hide(logged_in: FakeHfitd, hfit: Hfit, work: Path) -> None:
    for proposed in ("../../evil", ".bashrc", "CON", ""):
        headers = {"Content_Disposition": f'attachment; filename="{proposed}"', "ETag": '"y"'}
        logged_in.hooks["GET", "/files/app_logs/download"] = lambda h, x=headers: h.send(200, b"x", "text/plain", **x)
        ended = hfit("download", "app_logs", "sort:mtime:desc")
        assert (ended.code == 5) is (proposed != "../../evil")
        assert not (work.parent.parent / "evil").exists()
        for path in work.glob(".hfit-*"):
            path.unlink()
    quoted = Record(disposition="attachment; filename=\"x\"; filename*=UTF-8''caf%C3%A9.log")
    assert quoted.file_name == "caf\u00e9.log"


def test_a_part_file_that_is_a_link_is_not_followed(logged_in: FakeHfitd, hfit: Hfit, work: Path, home: Path) -> None:
    part = PartFile(work, [logged_in.origin, "file", "app_logs", {"path": "app/a.log"}])
    (home / "victim").write_text("mine")
    part.path.symlink_to(home / "victim")
    assert hfit("download", "app_logs:/app/a.log").code == 0
    assert (home / "victim").read_text() == "mine"
    assert not check_digest(RunningDigest(), "md5=:x:")


def test_the_python_client_has_the_same_verbs(logged_in: FakeHfitd, work: Path) -> None:
    client = Client()
    done = client.download_package(NAME, {"customer_id": 42}, output=work / "here")
    assert (done.path, done.report.manifest.package_name) == (work / "here", "case-42")
    assert client.verify(work / "here").manifest == done.report.manifest
    assert client.download_package(NAME, {"customer_id": 42}, output=work / "here").unchanged
    out = io.BytesIO()
    client.stream_sql(NAME, out, ["42"])
    assert out.getvalue() == FILES["10-tables.sql"] + FILES["20-customer.sql"]
    assert client.download_file("app_logs", {"path": "app/a.log"}).verified


def test_what_was_downloaded_has_the_users_usual_mode(logged_in: FakeHfitd, hfit: Hfit, work: Path) -> None:
    before = os.umask(0o027)
    try:
        assert hfit("download", "app_logs:/app/a.log").code == 0
        assert hfit("pkg-download", NAME, "42", "--archive").code == 0
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in work.iterdir()} == {0o640}
