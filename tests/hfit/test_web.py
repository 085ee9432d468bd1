"""``hfit web``: where the ticket goes, and where it does not."""

from __future__ import annotations

import json
import os
import shlex
import stat
import sys
from pathlib import Path

import pytest

from tests.hfit.conftest import Hfit
from tests.support.fake_hfitd import Answer, FakeHfitd, Handler

TICKET = "T" * 43
ROUTE = ("POST", "/auth/console-ticket")


def gives(ticket: object, email: object = "dev@example.com") -> Answer:
    def answer(handler: Handler) -> None:
        handler.json({"ticket": ticket, "email": email, "expires_in": 60})

    return answer


@pytest.fixture
def ready(logged_in: FakeHfitd) -> FakeHfitd:
    """A gateway with a ticket."""
    logged_in.hooks[ROUTE] = gives(TICKET)
    return logged_in


def test_the_address_has_the_ticket_behind_the_hash_and_leads_to_the_server_of_the_settings(
    ready: FakeHfitd, hfit: Hfit
) -> None:
    done = hfit("web", "--print")
    assert (done.code, done.out) == (0, f"{ready.origin}/console/enter#dev%40example.com~{TICKET}\n")
    assert json.loads(hfit("--json", "web").out) == {"address": done.out.strip()}


def test_a_browser_is_given_a_private_file_and_not_the_ticket(
    ready: FakeHfitd, hfit: Hfit, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = home / "seen"
    program = f"import sys; open({str(seen)!r}, 'w').write(sys.argv[1])"
    monkeypatch.setenv("BROWSER", f"{shlex.quote(sys.executable)} -c {shlex.quote(program)} %s")
    done = hfit("web")
    assert (done.code, done.out) == (0, "")
    file = home / ".hfit" / "console.html"
    assert seen.read_text() == file.as_uri()
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    assert f"url={ready.origin}/console/enter#dev%40example.com~{TICKET}" in file.read_text()


@pytest.mark.parametrize("ticket", ["short", TICKET + "<", None, 7, 'x"><script>' + "x" * 32])
def test_c11_what_is_no_ticket_goes_nowhere(logged_in: FakeHfitd, hfit: Hfit, home: Path, ticket: object) -> None:
    logged_in.hooks[ROUTE] = gives(ticket)
    done = hfit("web")
    assert done.code == 1
    assert "no ticket" in done.err
    assert not (home / ".hfit" / "console.html").exists()


def test_c06_an_address_with_a_hostile_email_stays_an_address(logged_in: FakeHfitd, hfit: Hfit) -> None:
    logged_in.hooks[ROUTE] = gives(TICKET, '"><script>\x1b@x')
    address = hfit("web", "--print").out
    assert "%22%3E%3Cscript%3E%1B%40x" in address
