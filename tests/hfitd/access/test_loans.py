"""What is on loan counts until its end, and for exactly what it says."""

from __future__ import annotations

import pytest

from hfitd.access.grants import decide, grants_on_loan, template_role
from hfitd.access.policy import Policy
from hfitd.access.token_keys import TokenKeys
from hfitd.access.tokens import Tokens, lend
from hfitd.config.model import PolicyConfig, RoleConfig
from hfitd.errors import TokenInvalid
from hfitd.model import Action, Actor, Loan, Permission
from hfitd.store.access import AccessRequest, AccessRequests

ORIGIN = "https://hfitd.example"


@pytest.fixture
def tokens(tmp_path, users, store, wall, uptime) -> Tokens:
    keys = TokenKeys.load(tmp_path / "keys", uptime)
    return Tokens(keys, users, store, ORIGIN, 900, clock=wall, monotonic=uptime)


async def lent(store, wall, email: str, role: str, seconds: float) -> None:
    """A request that is granted as soon as it is made."""
    now = wall()
    request = AccessRequest(email, role, role, "why", "", seconds, now, now + 100, state="granted", ends=now + seconds)
    await AccessRequests(store).create(request)


async def test_a_role_on_loan_is_there_within_five_seconds_and_gone_at_its_end(
    tokens, alice, store, wall, uptime
) -> None:
    text = tokens.issue(alice, alice.keys[0].fingerprint).text
    own = set((await tokens.verify(text)).roles)
    await lent(store, wall, alice.email, "support", 30)
    assert set((await tokens.verify(text)).roles) == own
    uptime.now += 5
    assert set((await tokens.verify(text)).roles) == own | {"support"}
    wall.now += 29.9
    assert "support" in (await tokens.verify(text)).roles
    wall.now += 0.1  # the clock alone, nobody asks the store
    actor = await tokens.verify(text)
    assert (set(actor.roles), actor.loans) == (own, ())


async def test_refresh_makes_a_loan_count_at_once(tokens, alice, store, wall) -> None:
    text = tokens.issue(alice, alice.keys[0].fingerprint).text
    await tokens.verify(text)
    await lent(store, wall, alice.email, "support", 30)
    tokens.refresh(alice.email)
    assert tokens.expires_in(text) == 900  # a request that is under way goes on
    assert "support" in (await tokens.verify(text)).roles


async def test_who_began_something_may_go_on_while_they_have_every_role_they_began_with(
    tokens, alice, users, store, wall
) -> None:
    text = tokens.issue(alice, alice.keys[0].fingerprint).text
    await lent(store, wall, alice.email, "support", 30)
    actor = await tokens.verify(text)
    claims = tokens.claims_of(text)
    assert await tokens.still_holds(claims, actor)
    wall.now += 20
    assert await tokens.still_holds(claims, actor)
    wall.now += 10
    assert not await tokens.still_holds(claims, actor)
    wall.now += 10_000  # the token is over, the person is not
    with pytest.raises(TokenInvalid):
        await tokens.verify(text)
    assert await tokens.still_holds(claims, Actor(alice.email, alice.roles))
    await users.end_sessions(alice.email)
    assert not await tokens.still_holds(claims, Actor(alice.email, alice.roles))


@pytest.mark.parametrize("name", ["case", "a.b", "a*b", "?", "**", "a[b]", "a%2Ab"])
def test_the_right_to_run_a_template_on_loan_is_for_that_very_name(name: str) -> None:
    grants = grants_on_loan(template_role("bob@x", name))
    assert decide(grants, Permission(Action.TEMPLATE_RUN, f"bob@x:{name}")).allowed
    for other in ("case2", "aXb", "x", "a/b", "acb", "ab", name + "x", name.upper() + "Z"):
        assert not decide(grants, Permission(Action.TEMPLATE_RUN, f"bob@x:{other}")).allowed
    assert not decide(grants, Permission(Action.TEMPLATE_RUN, f"eve@x:{name}")).allowed
    for action in Action:
        if action is not Action.TEMPLATE_RUN:
            assert not decide(grants, Permission(action, f"bob@x:{name}")).allowed


@pytest.mark.parametrize("role", ["support", "template.edit:x", "rows:**", "Template.run:x", ""])
def test_no_other_role_lends_anything_by_its_name(role: str) -> None:
    assert grants_on_loan(role) == ()


def test_a_denial_of_a_lasting_role_wins_over_a_loan() -> None:
    roles = {"strict": RoleConfig("strict", ("!template.run:secret",))}
    policy = Policy(PolicyConfig(), roles, b"k" * 32)
    actor = Actor("a@x", ("strict", template_role("bob@x", "secret"), template_role("bob@x", "open")))
    assert not policy.may_run(actor, "bob@x", "secret")
    assert policy.may_run(actor, "bob@x", "open")
    assert not policy.may_run(actor, "eve@x", "open")
    assert not policy.may(actor, Action.TEMPLATE_RUN, "open")


def test_lending_keeps_the_order_and_names_what_is_on_loan() -> None:
    loans = (Loan("b", 10.0, "1"), Loan("a", 20.0, "2"), Loan("c", 5.0, "3"))
    actor = lend(Actor("a@x", ("a",), loans=loans), 7.0)
    assert actor.roles == ("a", "b")
    assert [loan.request for loan in actor.loans] == ["1", "2"]
