"""Attacks on the pages of the console, against a running daemon: A11, H09, H11 and those that only browsers know."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hfitd.web.console.routes import CONSOLE_ROUTES
from hfitd.web.routes import ROUTES
from hfitd.web.table import Guard, Route
from tests.live.daemon import Daemon, running
from tests.live.world import World, small_config
from tests.support.browser import COOKIE, Browser, enter, opened, ticket_of
from tests.support.http import Api


async def test_a_ticket_opens_the_console_and_the_cookie_is_for_nobody_else(world: World) -> None:
    answer = await enter(world.daemon, world.dev.email, await ticket_of(world.daemon, world.dev))
    name, *rest = answer.headers["Set-Cookie"].split("; ")
    assert name.startswith(COOKIE + "=")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(rest)
    assert not any(part.startswith(("Domain", "Max-Age", "expires")) for part in rest)
    page = await (await opened(world.daemon, world.dev)).get("/console")
    assert page.status == 200
    assert world.dev.email.encode() in page.body


async def test_a12_a_ticket_is_worth_nothing_the_second_time(world: World) -> None:
    ticket = await ticket_of(world.daemon, world.dev)
    assert (await enter(world.daemon, world.dev.email, ticket)).status == 303
    again = await enter(world.daemon, world.dev.email, ticket)
    assert (again.status, "Set-Cookie" in again.headers) == (401, False)


async def test_a13_a_ticket_under_another_name_opens_nothing(world: World) -> None:
    answer = await enter(world.daemon, world.guest.email, await ticket_of(world.daemon, world.dev))
    assert answer.status == 401


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "", "http://127.0.0.1:1"])
async def test_a_ticket_is_taken_from_a_page_of_ours_only(world: World, origin: str) -> None:
    ticket = await ticket_of(world.daemon, world.dev)
    assert (await enter(world.daemon, world.dev.email, ticket, Origin=origin)).status == 403
    assert (await enter(world.daemon, world.dev.email, ticket)).status == 303


@pytest.mark.parametrize("session", ["", "x", "A" * 43, "../../etc", "%00", "A" * 4000])
async def test_a_forged_cookie_is_nobodys(world: World, session: str) -> None:
    answer = await Browser(world.daemon, session).get("/console")
    assert answer.status == 401
    assert b"hfit web" in answer.body


async def test_a11_the_api_never_looks_at_the_cookie_and_pages_never_at_a_token(world: World) -> None:
    browser = await opened(world.daemon, world.dev)
    for path in ("/auth/whoami", "/packtmpl", "/volumes"):
        assert (await browser.get(f"/api/v1{path}")).status == 401
    bearer = await Api(world.daemon).get("/auth/whoami", Authorization=f"Bearer {browser.session}")
    assert bearer.status == 401
    for headers in (world.dev.bearer, {"Cookie": f"{COOKIE}={world.dev.token}"}):
        assert (await Api(world.daemon).get("//console", **headers)).status == 401


FORGED = {
    "another origin": ({"Origin": "https://evil.example"}, True),
    "no origin": ({"Origin": ""}, True),
    "an opaque origin": ({"Origin": "null"}, True),
    "a sibling's origin": ({"Origin": "http://127.0.0.1:1"}, True),
    "a browser that says cross-site": ({"Sec-Fetch-Site": "cross-site"}, True),
    "a browser that says same-site": ({"Sec-Fetch-Site": "same-site"}, True),
    "no token": ({}, False),
}


@pytest.mark.parametrize("name", FORGED)
async def test_a_form_that_no_page_of_ours_sent_does_nothing_and_is_on_record(world: World, name: str) -> None:
    headers, with_token = FORGED[name]
    browser = await opened(world.daemon, world.peer)
    fields = {"form_token": await browser.token()} if with_token else {}
    answer = await browser.post("/console/leave", fields, **headers)
    begun, ended = world.daemon.audit_records()[-2:]
    assert (answer.status, ended["outcome"], ended["code"]) == (403, "refused", "FORBIDDEN")
    assert (begun["action"], begun["email"]) == ("logout", world.peer.email)
    assert (await browser.get("/console")).status == 200  # still in


async def test_a_form_with_the_token_of_another_session_does_nothing(world: World) -> None:
    mine, theirs = await opened(world.daemon, world.dev), await opened(world.daemon, world.peer)
    assert (await mine.post("/console/leave", {"form_token": await theirs.token()})).status == 403


async def test_who_logs_out_is_out_everywhere(world: World) -> None:
    browser = await opened(world.daemon, world.dev)
    answer = await browser.post("/console/leave", {"form_token": await browser.token()})
    assert answer.status == 303
    assert re.match(rf'{COOKIE}=(""|);', answer.headers["Set-Cookie"])
    assert (await browser.get("/console")).status == 401
    assert (await Api(world.daemon, world.dev).get("/auth/whoami")).status == 200  # the command line goes on


async def test_a09_a_revoked_person_has_no_session(small: Daemon) -> None:
    person = small.add_person("dev@example.org", "developer")
    browser = await opened(small, person)
    assert (await browser.get("/console")).status == 200
    small.admin("session.revoke", email=person.email)
    assert (await browser.get("/console")).status == 401


async def test_behind_https_the_cookie_is_secure_and_no_other_host_can_set_it(
    chinook_sqlite: Path, tmp_path: Path
) -> None:
    (tmp_path / "files").mkdir()
    origin = "https://hfit.example"
    daemon = Daemon(tmp_path, small_config(tmp_path, chinook_sqlite), {"origin": f'"{origin}"'})
    daemon.signed_origin = origin
    with running(daemon):
        person = daemon.add_person("dev@example.org", "developer")
        ticket = await ticket_of(daemon, person)
        answer = await enter(daemon, person.email, ticket, Origin=origin)
        name, *rest = answer.headers["Set-Cookie"].split("; ")
        assert name.startswith("__Host-hfit-console=")
        assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} <= set(rest)
        session = name.partition("=")[2]
        plain = Browser(daemon, session)  # under the name that http has
        assert (await plain.get("/console")).status == 401
        page = await Api(daemon).get("//console", Cookie=f"__Host-hfit-console={session}")
        assert page.status == 200


def fill(path: str) -> str:
    """A concrete path."""
    return re.sub(r"\{[a-z]+\}", "x", path)


@pytest.mark.parametrize("route", CONSOLE_ROUTES, ids=[f"{r.method} {r.path}" for r in CONSOLE_ROUTES])
async def test_h11_pages_answer_nobody_without_a_session_and_say_so_in_words(world: World, route: Route) -> None:
    public = route.path in {"/console/enter", "/console/static/{file}"}
    assert public == (route.guard is Guard.PUBLIC)
    headers = {"Origin": world.daemon.origin, "Content-Type": "application/x-www-form-urlencoded"}
    answer = await Api(world.daemon).request(route.method, "/" + fill(route.path), headers=headers)
    assert (answer.status == 401) == (not public or route.method == "POST")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Cache-Control"] == "no-store"


def test_every_page_is_on_record_as_something_that_the_api_does() -> None:
    known = {route.operation_id for route in ROUTES}
    acting = [route for route in CONSOLE_ROUTES if route.guard is Guard.CONSOLE and not route.audits_itself]
    assert [route.path for route in acting if (route.action or route.operation_id) not in known] == []


async def test_an_unknown_page_is_not_found_by_who_is_in(world: World) -> None:
    browser = await opened(world.daemon, world.dev)
    answer = await browser.get("/console/nowhere")
    assert (answer.status, answer.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
