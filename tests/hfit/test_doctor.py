"""``hfit doctor`` finds what is wrong, one broken thing at a time, against a real daemon."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from tests.live.daemon import Daemon, Person, Ran, make_key, run
from tests.live.servers import free_port


def look(daemon: Daemon, person: Person, **environment: str) -> tuple[int, dict[str, dict[str, str]]]:
    """Exit code and findings by check; a later one of the same check is left out."""
    ran = run(daemon.client_argv("doctor", "--json"), person.folder, daemon.client_environment(person) | environment)
    found: dict[str, dict[str, str]] = {}
    for finding in json.loads(ran.out):
        found.setdefault(finding["check"], finding)
    return ran.code, found


@pytest.fixture
def dev(small: Daemon) -> Person:
    """Somebody who has logged in once by ``hfit``."""
    person = small.add_person("dev@example.org", "developer")
    assert small.hfit(person, "login").code == 0
    return person


def test_a_set_up_that_works_has_nothing_but_ok(small: Daemon, dev: Person) -> None:
    code, found = look(small, dev)
    assert code == 0
    assert {finding["state"] for finding in found.values()} == {"ok"}
    assert {"server", "versions", "clock", "package key", "e-mail", "key", "token"} <= set(found)
    said: Ran = small.hfit(dev, "doctor")
    assert said.code == 0
    assert small.origin in said.out


def test_every_broken_thing_is_named_with_what_to_do(small: Daemon, dev: Person) -> None:
    dead = look(small, dev, HFIT_SERVER_URL=f"http://127.0.0.1:{free_port()}")
    missing = look(small, dev, HFIT_PRIVATE_KEY_PATH=str(dev.folder / "no_such_key"))
    elsewhere = look(small, dev, HFIT_CONFIG_DIR=str(dev.folder / "fresh"))
    for (code, found), check, wanted in (
        (dead, "server", 1), (missing, "key", 1), (elsewhere, "token", 0), (elsewhere, "package key", 0),
    ):  # fmt: skip
        assert code == wanted, found
        assert found[check]["state"] == ("failed" if wanted else "warning")
        assert found[check]["advice"]
    assert "hfit login" in elsewhere[1]["token"]["advice"]


def test_a_token_that_others_can_read_is_no_token(small: Daemon, dev: Person) -> None:
    (dev.folder / "hfit" / "token").chmod(0o644)
    _, found = look(small, dev)
    assert found["token"]["state"] == "warning"


def test_a_key_with_a_passphrase_is_not_asked_for_it(small: Daemon, dev: Person, tmp_path: Path) -> None:
    plain = make_key(tmp_path / "plain")
    locked = tmp_path / "locked"
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "a passphrase", "-f", locked], tmp_path, {})
    _, found = look(small, dev, HFIT_PRIVATE_KEY_PATH=str(locked))
    assert found["key"]["state"] == "warning"
    assert "ssh-add" in found["key"]["advice"]
    assert look(small, dev, HFIT_PRIVATE_KEY_PATH=str(plain))[1]["key"]["state"] == "ok"


@pytest.fixture
def odd() -> Iterator[tuple[str, dict[str, Any]]]:
    """A server whose answers a test chooses: its origin and what it says."""
    says: dict[str, Any] = {"date": formatdate(usegmt=True), "body": b"{}"}

    class Odd(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(200)
            self.send_header("Date", says["date"])
            self.send_header("Content-Length", str(len(says["body"])))
            self.end_headers()
            self.wfile.write(says["body"])

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Odd) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", says
        server.shutdown()
        thread.join()


def test_clocks_and_versions_that_differ_are_seen(
    small: Daemon, dev: Person, odd: tuple[str, dict[str, Any]]
) -> None:
    origin, says = odd
    assert look(small, dev, HFIT_SERVER_URL=origin)[1]["server"]["state"] == "failed"  # it is no hfitd
    says["body"] = json.dumps({"version": "99.1", "store": "ok", "audit": "unavailable",
                               "providers": {"shop\x1b[31m": "unavailable"}}).encode()  # fmt: skip
    says["date"] = formatdate(0, usegmt=True)
    code, found = look(small, dev, HFIT_SERVER_URL=origin)
    assert code == 1
    states = {check: finding["state"] for check, finding in found.items()}
    assert (states["clock"], states["versions"], states["audit"], states["providers"]) == (
        "failed", "warning", "failed", "warning",
    )  # fmt: skip
    assert "\x1b" not in json.dumps(found)
    says["date"] = "yesterday"
    assert look(small, dev, HFIT_SERVER_URL=origin)[1]["clock"]["state"] == "warning"
