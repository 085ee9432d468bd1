from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from hfitd.errors import Conflict
from hfitd.model import Loan
from hfitd.store.access import AccessRequest, AccessRequests
from hfitd.store.keys import key_of
from hfitd.store.sealed import SealedStore
from hfitd.store.users import Users

NOW = 1_800_000_000.0
WISH = AccessRequest(
    email="dev@x", name="support", role="support", reason="why", ticket="T-1", seconds=60.0, created=NOW,
    answer_by=NOW + 100,
)  # fmt: skip


def granted(request: AccessRequest, ends: float = NOW + 70) -> AccessRequest:
    return replace(request, state="granted", decided=NOW + 10, decided_by="boss@x", ends=ends)


async def test_a_request_lends_when_it_is_granted_and_no_more_when_it_is_revoked(sealed: SealedStore) -> None:
    requests = AccessRequests(sealed)
    made = await requests.create(WISH)
    assert await requests.get(made.id) == made
    assert await requests.loans("dev@x") == ()
    lent = await requests.save(granted(made))
    assert await requests.loans("dev@x") == (Loan("support", NOW + 70, made.id),)
    await requests.save(replace(lent, state="revoked", ends=NOW + 20))
    assert await requests.loans("dev@x") == ()


async def test_of_many_answers_exactly_one_counts(sealed: SealedStore) -> None:
    requests = AccessRequests(sealed)
    made = await requests.create(WISH)
    answers = [granted(made, NOW + 70 + number) for number in range(4)]
    answers += [replace(made, state="denied", decided=NOW + 10) for _ in range(4)]
    results = await asyncio.gather(*(requests.save(answer) for answer in answers), return_exceptions=True)
    won = [result for result in results if isinstance(result, AccessRequest)]
    assert len(won) == 1
    assert all(isinstance(result, Conflict) for result in results if not isinstance(result, AccessRequest))
    assert len(await requests.loans("dev@x")) == (won[0].state == "granted")


async def test_loans_of_several_requests_stand_beside_each_other_until_they_end(sealed: SealedStore) -> None:
    requests = AccessRequests(sealed)
    made = [await requests.create(replace(WISH, role=f"role{number}")) for number in range(6)]
    await asyncio.gather(*(requests.save(granted(item)) for item in made))
    assert {loan.role for loan in await requests.loans("dev@x")} == {f"role{number}" for number in range(6)}
    late = await requests.create(replace(WISH, role="late"))
    await requests.save(replace(granted(late), decided=NOW + 80, ends=NOW + 200))
    assert [loan.role for loan in await requests.loans("dev@x")] == ["late"]


async def test_a_person_who_is_removed_and_made_again_has_nothing_on_loan(sealed: SealedStore) -> None:
    users, requests = Users(sealed), AccessRequests(sealed)
    await users.create("dev@x")
    await requests.save(granted(await requests.create(WISH)))
    await users.remove("Dev@x")
    await users.create("dev@x")
    assert await requests.loans("dev@x") == ()


def test_the_state_of_a_request_follows_the_clock() -> None:
    assert [WISH.state_at(NOW + late) for late in (0, 99, 100)] == ["pending", "pending", "expired"]
    lent = granted(WISH)
    assert [lent.state_at(NOW + late) for late in (11, 69, 70)] == ["granted", "granted", "ended"]


async def test_old_requests_go_but_broken_glass_waits_for_its_review(sealed: SealedStore) -> None:
    requests = AccessRequests(sealed)
    plain = await requests.create(WISH)
    broken = await requests.create(replace(granted(WISH), break_glass=True))
    assert await requests.tidy(NOW) == 0
    assert await requests.tidy(NOW + 1000) == 1
    assert await requests.get(plain.id) is None
    await requests.save(replace(broken, reviewed_by="boss@x", reviewed=NOW + 20, review="fine"))
    assert await requests.tidy(NOW + 1000) == 1
    assert await requests.every() == []


@pytest.mark.parametrize("kind", ["access-request", "access-loan"])
async def test_o04_a_loan_or_answer_that_somebody_else_wrote_is_none_and_an_alarm(
    sealed: SealedStore, tampered: list[str], kind: str
) -> None:
    requests = AccessRequests(sealed)
    made = await requests.save(granted(await requests.create(WISH)))
    key = key_of(kind, made.id if kind == "access-request" else "dev@x")
    record = await sealed._inner.read(key)
    assert record is not None
    await sealed._inner.write(key, record.value.replace(b"support", b"adminrl"))
    found = await requests.get(made.id) if kind == "access-request" else await requests.loans("dev@x")
    assert not found
    assert tampered == [key]


@pytest.mark.parametrize("request_id", ["", "..", "a:b", "x" * 24, "é", "%2e", "a b"])
async def test_an_id_that_was_never_given_is_nobodys(sealed: SealedStore, request_id: str) -> None:
    assert await AccessRequests(sealed).get(request_id) is None
