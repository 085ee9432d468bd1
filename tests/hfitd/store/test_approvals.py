from __future__ import annotations

from dataclasses import replace

import pytest

from hfitd.errors import Conflict, NotFound
from hfitd.store.approvals import Approval, Approvals
from hfitd.store.keys import key_of
from hfitd.store.sealed import SealedStore

NOW = 1_800_000_000.0
APPROVAL = Approval(
    owner="alice@x", name="case", template_digest="a" * 64, plan_digest="b" * 64, policy_version="c" * 64,
    roles=("developer",), plan={"policy": "c", "parts": {}}, allow=("id=1..9",), max_rows=10, max_bytes=0,
    approver="bob@x", os_uid=-1, reason="read", approved=NOW, expires=NOW + 60,
)  # fmt: skip


async def test_an_approval_is_read_as_it_was_put(sealed: SealedStore) -> None:
    approvals = Approvals(sealed)
    assert await approvals.get("alice@x", "case") is None
    put = await approvals.put(APPROVAL)
    assert put == replace(APPROVAL, version=1)
    assert await approvals.get("alice@x", "case") == put
    assert await approvals.every() == {("alice@x", "case"): put}


async def test_the_latest_approval_replaces_the_one_that_was_read_and_no_other(sealed: SealedStore) -> None:
    approvals = Approvals(sealed)
    first = await approvals.put(APPROVAL)
    second = await approvals.put(replace(first, approver="carol@x"))
    with pytest.raises(Conflict):
        await approvals.put(replace(first, approver="mallory@x"))
    assert await approvals.get("alice@x", "case") == second


@pytest.mark.parametrize(
    "field", [name for name in APPROVAL.__dataclass_fields__ if not name.startswith("withdrawn") and name != "version"]
)
def test_the_digest_of_an_approval_names_everything_in_it(field: str) -> None:
    value = getattr(APPROVAL, field)
    other = {str: "z", int: 7, float: 7.0, tuple: ("z",), dict: {"z": 1}}[type(value)]
    assert replace(APPROVAL, **{field: other}).digest != APPROVAL.digest
    assert replace(APPROVAL, withdrawn=NOW, version=3).digest == APPROVAL.digest


async def test_a_withdrawn_approval_stands_no_more_and_stays_to_be_compared_with(sealed: SealedStore) -> None:
    approvals = Approvals(sealed)
    with pytest.raises(NotFound):
        await approvals.withdraw("alice@x", "case", by="bob@x", reason="", now=NOW)
    put = await approvals.put(APPROVAL)
    assert await approvals.stands(put.document(), NOW)
    assert not await approvals.stands(put.document(), NOW + 61)
    gone = await approvals.withdraw("alice@x", "case", by="bob@x", reason="wrong", now=NOW + 1)
    assert (gone.withdrawn, gone.withdrawn_by, gone.withdrawn_reason) == (NOW + 1, "bob@x", "wrong")
    assert not await approvals.stands(put.document(), NOW + 2)
    with pytest.raises(NotFound):
        await approvals.withdraw("alice@x", "case", by="bob@x", reason="", now=NOW)
    later = await approvals.put(replace(gone, withdrawn=0.0, reason="read again"))
    assert not await approvals.stands(put.document(), NOW + 2)
    assert await approvals.stands(later.document(), NOW + 2)


@pytest.mark.parametrize("what", [b"edited", b"another key"])
async def test_o04_an_approval_that_somebody_else_wrote_is_none_and_an_alarm(
    sealed: SealedStore, tampered: list[str], what: bytes
) -> None:
    approvals = Approvals(sealed)
    await approvals.put(APPROVAL)
    key = key_of("approval", "alice@x", "case")
    record = await sealed._inner.read(key)
    assert record is not None
    if what == b"edited":
        await sealed._inner.write(key, record.value.replace(b'"max_rows":10', b'"max_rows":99'))
    else:
        key = key_of("approval", "alice@x", "other")
        await sealed._inner.write(key, record.value)
    assert await approvals.get("alice@x", key.rpartition(":")[2]) is None
    assert tampered == [key]


async def test_t13_names_with_colons_and_underscores_have_approvals_of_their_own(sealed: SealedStore) -> None:
    approvals = Approvals(sealed)
    for owner, name in (("a@x", "b:c"), ("a@x:b", "c"), ("a_b@x", "c"), ("a@x", "b_c")):
        await approvals.put(replace(APPROVAL, owner=owner, name=name))
    assert len(await approvals.every()) == 4
