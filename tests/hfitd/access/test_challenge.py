from __future__ import annotations

import asyncio
import re
from dataclasses import replace

import pytest

from hfitd.access import sshsig
from hfitd.access.challenge import CLOCKS_APART_SECONDS, NAMESPACE, Challenges, login_text
from hfitd.config.model import AuthConfig
from hfitd.errors import AuthFailed, Conflict
from hfitd.store.keys import key_of
from hfitd.store.sealed import SealedStore
from hfitd.store.users import StoredKey

ORIGIN = "https://hfit.example"


@pytest.fixture
def challenges(store, users) -> Challenges:
    return Challenges(store, users, AuthConfig(), ORIGIN)


def answer(pair, email: str, nonce: str, *, origin: str = ORIGIN, namespace: str = NAMESPACE) -> str:
    return sshsig.sign(pair.private, login_text(origin, email, pair.public.fingerprint, nonce), namespace)


async def fails(challenges: Challenges, email: str, nonce: str, line: str, signature: str) -> None:
    with pytest.raises(AuthFailed) as caught:
        await challenges.login(email, nonce, line, signature)
    assert (caught.value.message, caught.value.resource, caught.value.suggestions) == ("Login failed.", None, ())


def test_the_signed_text_is_the_published_one():
    text = login_text("https://h:1", "a@x.org", "SHA256:abc", "N" * 43)
    assert text == b"hfit-login-v1\norigin=https://h:1\nuser=a@x.org\nkey=SHA256:abc\nnonce=" + b"N" * 43 + b"\n"


async def test_every_kind_of_key_logs_in(challenges, users, pair):
    stored = StoredKey(pair.public.line, pair.public.fingerprint, "", "2026-01-01T00:00:00Z")
    await users.create("carol@example.org", [stored])
    challenge = await challenges.issue("carol@example.org")
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", challenge.nonce)
    assert (challenge.origin, challenge.expires_in) == (ORIGIN, 60)
    user, fingerprint = await challenges.login(
        "carol@example.org", challenge.nonce, pair.line, answer(pair, "carol@example.org", challenge.nonce)
    )
    assert (user.email, fingerprint) == ("carol@example.org", pair.public.fingerprint)


async def test_a_signature_by_ssh_keygen_logs_in(challenges, alice, alice_pair):
    nonce = (await challenges.issue(alice.email)).nonce
    signature = alice_pair.keygen_sign(login_text(ORIGIN, alice.email, alice_pair.public.fingerprint, nonce), NAMESPACE)
    assert (await challenges.login(alice.email, nonce, alice_pair.line, signature))[0].email == alice.email


async def test_a12_a_nonce_logs_in_exactly_once(challenges, alice, alice_pair):
    nonce = (await challenges.issue(alice.email)).nonce
    signature = answer(alice_pair, alice.email, nonce)
    results = await asyncio.gather(
        *(challenges.login(alice.email, nonce, alice_pair.line, signature) for _ in range(50)), return_exceptions=True
    )
    assert sum(isinstance(result, tuple) for result in results) == 1
    assert sum(isinstance(result, AuthFailed) for result in results) == 49


async def test_a12_a_failed_login_uses_the_nonce_up(challenges, alice, alice_pair):
    nonce = (await challenges.issue(alice.email)).nonce
    await fails(challenges, alice.email, nonce, alice_pair.line, "nonsense")
    await fails(challenges, alice.email, nonce, alice_pair.line, answer(alice_pair, alice.email, nonce))


async def test_a13_a_nonce_never_issued_fails(challenges, alice, alice_pair):
    for nonce in ("A" * 43, "", "A" * 42, "A" * 44, "\u00e4" * 43, "A" * 42 + "\n", "*" * 43):
        await fails(challenges, alice.email, nonce, alice_pair.line, answer(alice_pair, alice.email, nonce))


async def test_a13_an_old_nonce_fails(store, users, alice, alice_pair):
    challenges = Challenges(store, users, replace(AuthConfig(), challenge_ttl_seconds=0.05), ORIGIN)
    nonce = (await challenges.issue(alice.email)).nonce
    await asyncio.sleep(0.1)
    await fails(challenges, alice.email, nonce, alice_pair.line, answer(alice_pair, alice.email, nonce))


async def test_o04_a_recorded_login_is_not_let_in_again_by_who_writes_the_store(store, users, alice, alice_pair):
    rung: list[str] = []
    now = [1_000_000.0]
    ttl = AuthConfig().challenge_ttl_seconds
    sealed = SealedStore(store, b"k" * 32, rung.append)
    challenges = Challenges(sealed, users, AuthConfig(), ORIGIN, clock=lambda: now[0])
    nonce = (await challenges.issue(alice.email)).nonce
    signature = answer(alice_pair, alice.email, nonce)
    record = await store.read(key_of("nonce", nonce))
    await challenges.login(alice.email, nonce, alice_pair.line, signature)
    for forged in (alice.email.encode(), f"{int(now[0])} {alice.email}".encode()):
        await store.write(key_of("nonce", nonce), forged)
        await fails(challenges, alice.email, nonce, alice_pair.line, signature)
    assert rung == [key_of("nonce", nonce)] * 2
    for seconds in (-CLOCKS_APART_SECONDS - 1, ttl + CLOCKS_APART_SECONDS + 1, 10 * ttl):
        now[0] = 1_000_000 + seconds
        await store.write(key_of("nonce", nonce), record.value)
        await fails(challenges, alice.email, nonce, alice_pair.line, signature)


async def test_r17_clocks_of_instances_may_differ(store, users, alice, alice_pair):
    for ahead in (-CLOCKS_APART_SECONDS, CLOCKS_APART_SECONDS):
        issuing = Challenges(store, users, AuthConfig(), ORIGIN, clock=lambda: 1_000_000.0)
        asking = Challenges(store, users, AuthConfig(), ORIGIN, clock=lambda shift=ahead: 1_000_000.0 + shift)
        nonce = (await issuing.issue(alice.email)).nonce
        await asking.login(alice.email, nonce, alice_pair.line, answer(alice_pair, alice.email, nonce))


async def test_a13_a_nonce_issued_for_another_user_fails(challenges, alice, bob, bob_pair):
    nonce = (await challenges.issue(alice.email)).nonce
    await fails(challenges, bob.email, nonce, bob_pair.line, answer(bob_pair, bob.email, nonce))


@pytest.mark.parametrize("namespace", ["git", "file", "hfit-package@hfitd.v1"])
async def test_a14_a_signature_of_another_namespace_fails(challenges, alice, alice_pair, namespace):
    nonce = (await challenges.issue(alice.email)).nonce
    await fails(
        challenges, alice.email, nonce, alice_pair.line, answer(alice_pair, alice.email, nonce, namespace=namespace)
    )


async def test_a14_a_signature_for_another_server_fails(challenges, alice, alice_pair):
    nonce = (await challenges.issue(alice.email)).nonce
    relayed = answer(alice_pair, alice.email, nonce, origin="https://evil.example")
    await fails(challenges, alice.email, nonce, alice_pair.line, relayed)


async def test_a16_another_users_valid_key_fails(challenges, alice, bob, alice_pair, bob_pair):
    nonce = (await challenges.issue(alice.email)).nonce
    await fails(challenges, alice.email, nonce, bob_pair.line, answer(bob_pair, alice.email, nonce))
    nonce = (await challenges.issue(alice.email)).nonce
    await fails(challenges, alice.email, nonce, alice_pair.line, answer(bob_pair, alice.email, nonce))


async def test_a_disabled_user_fails(challenges, users, alice, alice_pair):
    await users.save(replace(alice, disabled=True))
    nonce = (await challenges.issue(alice.email)).nonce
    await fails(challenges, alice.email, nonce, alice_pair.line, answer(alice_pair, alice.email, nonce))


@pytest.mark.parametrize(
    "email",
    ["nobody@example.org", "", "*", "alice@example.org ", "alice@example.org\n", "\u0430lice@example.org", "x" * 300],
)
async def test_a18_an_unknown_user_gets_the_same_challenge_and_the_same_refusal(challenges, alice, alice_pair, email):
    challenge = await challenges.issue(email)
    known = await challenges.issue(alice.email)
    assert len(challenge.nonce) == len(known.nonce) == 43
    assert (challenge.origin, challenge.expires_in) == (known.origin, known.expires_in)
    await fails(challenges, email, challenge.nonce, alice_pair.line, answer(alice_pair, email, challenge.nonce))


async def test_a18_case_does_not_make_another_user(challenges, users, alice, alice_pair):
    nonce = (await challenges.issue("Alice@Example.org")).nonce
    signature = answer(alice_pair, "Alice@Example.org", nonce)
    user, _ = await challenges.login("Alice@Example.org", nonce, alice_pair.line, signature)
    assert user.email == alice.email
    with pytest.raises(Conflict):
        await users.create("ALICE@example.org")


async def test_a18_what_a_challenge_leaves_in_the_store_is_small(challenges, store):
    await challenges.issue("x" * 100_000)
    (key,) = await store.keys("nonce:")
    record = await store.read(key)
    assert len(key) + len(record.value) < 320


async def test_a18_challenges_leave_nothing_behind_when_their_time_is_over(store, users):
    short = Challenges(store, users, AuthConfig(challenge_ttl_seconds=0.05), ORIGIN)
    for number in range(20):
        await short.issue(f"u{number}@example.org")
    await asyncio.sleep(0.1)
    assert await store.keys("nonce:") == []
