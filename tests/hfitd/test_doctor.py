"""``hfitd doctor``: what it finds on a machine that is well, and on one that is not."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import ssl
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from hfitd.config.load import load_config
from hfitd.config.model import Config
from hfitd.doctor import FAIL, OK, WARN, Finding, examine
from tests.live.certificates import make_certificates
from tests.live.daemon import Daemon, role, running, sqlite_provider, volume

SECRET = "a-mask-key-that-nobody-should-read"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that runs, and has written a few audit records."""
    folder = tmp_path_factory.mktemp("doctor")
    with sqlite3.connect(folder / "shop.db") as connection:
        connection.execute("CREATE TABLE person (id integer PRIMARY KEY)")
    connection.close()
    (folder / "files").mkdir()
    body = sqlite_provider("shop", folder / "shop.db") + volume("files", folder / "files")
    body += f'\n[policy]\nmask_key = "{SECRET}"\n' + role("developer", "rows:**")
    with running(Daemon(folder, body)) as started:
        started.admin("user.list")
        yield started


def findings(daemon: Daemon, config: Config | None = None) -> dict[str, Finding]:
    """By what was looked at."""
    return {f.check: f for f in examine(config or load_config(daemon.config, {}), daemon.config)}


def test_a_machine_that_is_well_is_told_so(daemon: Daemon) -> None:
    found = findings(daemon)
    wanted = {"configuration", "data_dir", "keys_dir", "keys", "disk of spool", "audit", "daemon", "clock"}
    assert wanted <= found.keys()
    bad = {name for name, finding in found.items() if finding.state != OK} - {"descriptors"}
    assert not {name for name in bad if not name.startswith("disk")}, bad  # the disks of this machine may be full
    done = daemon.hfitd("doctor")
    assert "ok    provider shop: " in done.out
    assert "ok    volume files: can be opened" in done.out
    assert "records, the chain is whole" in done.out
    assert SECRET not in done.out + done.err


def test_files_that_others_may_read_or_change_are_found(daemon: Daemon) -> None:
    key = daemon.data / "keys" / "mask-test.key"
    key.write_text("x")
    key.chmod(0o644)
    daemon.config.chmod(0o666)
    (daemon.data / "keys").chmod(0o755)
    try:
        found = findings(daemon)
        assert [found[name].state for name in ("configuration", "keys", "keys_dir")] == [FAIL, FAIL, FAIL]
        assert found["keys"].words == "1 can be read by others, or belong to somebody else"
        assert daemon.hfitd("doctor", "--local").code == 1
    finally:
        key.unlink()
        daemon.config.chmod(0o600)
        (daemon.data / "keys").chmod(0o700)


def test_a_damaged_audit_log_is_found(daemon: Daemon) -> None:
    (segment,) = (daemon.data / "audit").glob("*.jsonl")
    good = segment.read_bytes()
    segment.write_bytes(good.replace(b'"admin.user.list"', b'"admin.user.last"', 1))
    try:
        finding = findings(daemon)["audit"]
        assert finding.state == FAIL
        assert segment.name in finding.words
    finally:
        segment.write_bytes(good)


def test_a_clock_behind_the_newest_record_is_found(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 3600)
    finding = findings(daemon)["clock"]
    assert (finding.state, finding.words) == (FAIL, "is behind the newest audit record")


def test_a_disk_that_may_be_too_small_is_found_before_a_package_fails(daemon: Daemon) -> None:
    config = load_config(daemon.config, {})
    larger = replace(config, limits=replace(config.limits, package_bytes=2**60))
    finding = findings(daemon, larger)["disk of spool"]
    assert finding.state == FAIL
    assert "GiB free" in finding.words


def test_a_new_machine_has_nothing_wrong_and_nothing_there(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[server]\ndata_dir = "new"\n')
    config.chmod(0o600)
    found = {f.check: f.state for f in examine(load_config(config, {}), config)}
    assert found["data_dir"] == found["audit"] == found["daemon"] == found["origin"] == WARN
    assert not (tmp_path / "new").exists()


def test_a_source_that_does_not_answer_is_exit_3(daemon: Daemon) -> None:
    body = daemon.config.read_text()
    daemon.config.write_text(body.replace("shop.db", "gone.db"))
    try:
        done = daemon.hfitd("doctor")
        assert "FAIL  provider shop: " in done.err
        assert done.code == 3 or "FAIL  disk" in done.err
    finally:
        daemon.config.write_text(body)


@pytest.mark.parametrize(
    ("days", "state", "words"), [(90, OK, "ends in 90"), (10, WARN, "ends in 10"), (-2, FAIL, "ended 2")]
)
def test_a_certificate_is_looked_at_before_it_ends(
    daemon: Daemon, tmp_path: Path, days: int, state: str, words: str
) -> None:
    config = load_config(daemon.config, {})
    certificate = make_certificates(tmp_path, days=days).certificate
    config = replace(config, server=replace(config.server, tls_certificate=certificate))
    found = findings(daemon, config)["certificate"]
    assert (found.state, words in found.words) == (state, True)
    certificate.write_text("nothing")
    assert findings(daemon, config)["certificate"].state == FAIL


def test_the_certificate_that_is_served_is_told_of_by_ready_metrics_and_doctor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_certificates(tmp_path, days=5)
    keys = {"tls_certificate": f'"{made.certificate}"', "tls_key": f'"{made.key}"', "insecure": '["secrets"]'}
    daemon = Daemon(tmp_path, f'\n[policy]\nmask_key = "{SECRET}"\n')
    daemon.origin = f"https://localhost:{daemon.port}"
    daemon.write_config(f'\n[policy]\nmask_key = "{SECRET}"\n', {**keys, "origin": f'"{daemon.origin}"'})
    monkeypatch.setenv("SSL_CERT_FILE", str(made.authority))
    with running(daemon):
        with urllib.request.urlopen(f"{daemon.origin}/ready") as answer:
            assert json.load(answer)["certificate"] == "ends soon"
        with urllib.request.urlopen(f"{daemon.origin}/metrics") as answer:
            (line,) = [row for row in answer.read().decode().splitlines() if row.startswith("hfitd_certificate_end")]
        assert float(line.split()[1]) == pytest.approx(time.time() + 5 * 86400, abs=3600)
        found = findings(daemon)
        assert (found["certificate at the origin"].state, found["certificate at the origin"].words) == (
            WARN, found["certificate"].words
        )  # fmt: skip
        monkeypatch.setenv("SSL_CERT_FILE", str(made.certificate))
        assert findings(daemon)["certificate at the origin"].state == FAIL


def test_a_renewed_certificate_is_served_from_the_signal_on_and_a_bad_one_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_certificates(tmp_path, days=5)
    keys = {"tls_certificate": f'"{made.certificate}"', "tls_key": f'"{made.key}"', "insecure": '["secrets"]'}
    daemon = Daemon(tmp_path, "")
    daemon.origin = f"https://localhost:{daemon.port}"
    daemon.write_config(f'\n[policy]\nmask_key = "{SECRET}"\n', {**keys, "origin": f'"{daemon.origin}"'})
    monkeypatch.setenv("SSL_CERT_FILE", str(made.authority))
    with running(daemon), _shaking_hands(daemon, "localhost") as old:
        first = old.getpeercert(binary_form=True)
        make_certificates(tmp_path, days=90)
        made.key.write_text("half of a ")
        daemon.signal(signal.SIGHUP)
        _until(lambda: (daemon.admin("status")["reload"] or {}).get("mistakes"))
        mistakes = daemon.admin("status")["reload"]["mistakes"]
        assert [line.partition(":")[0] for line in mistakes] == ["server.tls_certificate"]
        assert str(tmp_path) not in str(mistakes)
        assert _shown(daemon, None) == _shown(daemon, "localhost") == first
        make_certificates(tmp_path, days=90)
        daemon.signal(signal.SIGHUP)
        _until(lambda: not daemon.admin("status")["reload"]["mistakes"])
        for name in (None, "localhost"):
            assert _shown(daemon, name) != first
        with urllib.request.urlopen(f"{daemon.origin}/ready") as answer:
            assert json.load(answer)["certificate"] == "ok"
        old.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")  # the connection from before
        assert old.recv(12) == b"HTTP/1.1 200"


@contextmanager
def _shaking_hands(daemon: Daemon, name: str | None) -> Iterator[ssl.SSLSocket]:
    """A new connection, whoever signed the certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    plain = socket.create_connection(("127.0.0.1", daemon.port))
    with plain, context.wrap_socket(plain, server_hostname=name) as secured:
        yield secured


def _shown(daemon: Daemon, name: str | None) -> bytes | None:
    """The certificate that a new connection is shown."""
    with _shaking_hands(daemon, name) as connection:
        return connection.getpeercert(binary_form=True)


def _until(true: Callable[[], object]) -> None:
    for _ in range(200):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come to that")
