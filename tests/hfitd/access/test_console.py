"""Tickets and sessions of the web console, against a store; the attacks on its pages are in ``hfitd/web``."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from hfitd.access.console import TICKET_SECONDS, ConsoleSessions, is_form_token
from hfitd.access.token_keys import TokenKeys
from hfitd.access.token_text import Claims
from hfitd.access.tokens import Tokens
from hfitd.config.model import AuthConfig
from hfitd.errors import AuthFailed, TokenInvalid
from hfitd.store.sealed import SealedStore

IDLE, LONGEST = 600, 3600
AUTH = AuthConfig(console_idle_seconds=IDLE, console_ttl_seconds=LONGEST)


@pytest.fixture
def tokens(tmp_path, users, store, wall, uptime) -> Tokens:
    return Tokens(TokenKeys.load(tmp_path / "keys", uptime), users, store, "https://hfitd.example", 900, clock=wall)


@pytest.fixture
def sessions(store, tokens, wall) -> ConsoleSessions:
    return ConsoleSessions(store, tokens, AUTH, clock=wall)


@pytest.fixture
def claims(alice, wall) -> Claims:
    return Claims(alice.email, "a-token", alice.keys[0].fingerprint, alice.epoch, int(wall()), int(wall()) + 900)


@pytest.fixture
async def session(sessions, claims) -> str:
    return await sessions.enter(claims.subject, await sessions.issue_ticket(claims))


async def over(sessions: ConsoleSessions, session: str) -> None:
    with pytest.raises(TokenInvalid):
        await sessions.verify(session)


async def test_a_ticket_becomes_a_session_of_its_person_with_the_roles_of_now(sessions, session, users, alice):
    visit = await sessions.verify(session)
    assert (visit.actor.email, visit.actor.roles) == (alice.email, ("developer",))
    assert visit.actor.key_fingerprint == alice.keys[0].fingerprint
    assert visit.actor.token_id.startswith("console-")
    assert session not in visit.actor.token_id


async def test_a12_of_many_who_show_a_ticket_exactly_one_gets_a_session(sessions, claims):
    ticket = await sessions.issue_ticket(claims)
    made = await asyncio.gather(*(sessions.enter(claims.subject, ticket) for _ in range(20)), return_exceptions=True)
    assert sum(isinstance(item, str) for item in made) == 1
    assert {type(item) for item in made} == {str, AuthFailed}


async def test_a13_a_ticket_that_is_unknown_malformed_or_another_persons_opens_nothing(sessions, claims, bob):
    ticket = await sessions.issue_ticket(claims)
    mine = claims.subject
    for email, shown in ((bob.email, ticket), (mine, ticket), (mine, "x" * 43), (mine, ""), (bob.email, "../x")):
        with pytest.raises(AuthFailed):
            await sessions.enter(email, shown)  # the second is the right one, used up by the first


async def test_a13_a_ticket_is_too_old_after_a_minute(sessions, claims, wall):
    ticket = await sessions.issue_ticket(claims)
    wall.now += TICKET_SECONDS + 1
    with pytest.raises(AuthFailed):
        await sessions.enter(claims.subject, ticket)


async def test_a09_a_revoked_person_has_neither_session_nor_ticket(sessions, session, claims, users, alice):
    ticket = await sessions.issue_ticket(claims)
    await users.end_sessions(alice.email)
    await over(sessions, session)
    with pytest.raises(AuthFailed):
        await sessions.enter(claims.subject, ticket)


async def test_a09_without_the_key_of_the_login_there_is_no_session(sessions, session, users, alice):
    await users.save(replace(alice, keys=()))
    await over(sessions, session)


async def test_a_session_ends_when_it_is_idle_and_goes_on_while_it_is_used(sessions, session, wall):
    for _ in range(3):
        wall.now += IDLE - 10
        await sessions.verify(session)
    wall.now += IDLE + 1
    await over(sessions, session)


async def test_a_session_ends_at_its_last_hour_however_busy_it_is(sessions, session, wall):
    for _ in range(LONGEST // 300):
        await sessions.verify(session)
        wall.now += 300
    await over(sessions, session)


async def test_who_leaves_has_no_session_and_nothing_under_way(sessions, session, tokens):
    visit = await sessions.verify(session)
    await sessions.leave(session, visit.actor)
    await over(sessions, session)
    assert not await tokens.still_holds(visit.claims, visit.actor)


async def test_the_store_holds_neither_tickets_nor_session_ids(sessions, session, claims, store):
    ticket = await sessions.issue_ticket(claims)
    found = [(key, await store.read(key)) for kind in ("console-ticket", "console-session") for key in
             await store.keys(f"{kind}:")]  # fmt: skip
    assert len(found) == 2
    for key, record in found:
        assert record is not None
        for secret in (ticket, session):
            assert secret not in key
            assert secret.encode() not in record.value


async def test_o04_who_writes_the_store_can_make_neither_a_ticket_nor_a_session(store, tokens, claims, wall):
    tampered: list[str] = []
    sealed = SealedStore(store, b"a key of the installation", tampered.append)
    sessions = ConsoleSessions(sealed, tokens, AUTH, clock=wall)
    session = await sessions.enter(claims.subject, await sessions.issue_ticket(claims))
    ticket = await sessions.issue_ticket(claims)
    unsealed = ConsoleSessions(store, tokens, AUTH, clock=wall)  # the same records, written without the key
    forged_ticket = await unsealed.issue_ticket(claims)
    forged = await unsealed.enter(claims.subject, await unsealed.issue_ticket(claims))
    await over(sessions, forged)
    with pytest.raises(AuthFailed):
        await sessions.enter(claims.subject, forged_ticket)
    for key in await store.keys("console-session:"):
        record = await store.read(key)
        if record is not None and record.value.startswith(b"s1"):
            await store.write(key, record.value.replace(b"alice", b"admin"), expect=record.version)
    await over(sessions, session)
    assert len(tampered) == 3
    assert await sessions.enter(claims.subject, ticket)


async def test_a_form_token_is_of_one_session_only(sessions, session, claims):
    other = await sessions.enter(claims.subject, await sessions.issue_ticket(claims))
    mine, theirs = [(await sessions.verify(item)).form_token for item in (session, other)]
    assert is_form_token(mine, mine)
    assert not any(is_form_token(given, mine) for given in (theirs, "", session, mine[:-1], "\udc80"))
