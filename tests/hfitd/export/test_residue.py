"""The residual scan: what it sees, what it passes over, and that it keeps no value."""

from __future__ import annotations

import random

import pytest

from hfitd.engines.interface import Output, Select
from hfitd.export.package import residue as residue_room
from hfitd.export.package.residue import Alarm, Residue, describe_alarms, finish_tap
from hfitd.export.package.residue_words import SECRET_STARTS, find_forms
from hfitd.masks.table import bind_mask
from hfitd.model import Column, Kind, MaskRule
from hfitd.sql import text

KEY = b"k" * 32


class Heap:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.data = b""

    async def write(self, data: bytes) -> None:
        """Take it."""
        self.data += data


def output(name: str, mask: str = "") -> Output:
    column = Column(name, "text", Kind.TEXT)
    return Output(name, bind_mask(MaskRule(mask), column, KEY).cell if mask else None, column)


async def scanned(
    raw: dict[str, list[str]], content: bytes, *, masks: dict[str, str], mode: str = "alarm", piece: int = 1000
) -> tuple[Alarm, ...]:
    """The alarms of a member of this content, while these raw values pass through the masks of their columns."""
    residue, heap = Residue(mode), Heap()
    sink = residue.tap("rows.csv", "public.customer", heap)
    select = Select(text("SELECT"), tuple(output(name, masks.get(name, "")) for name in raw))
    for watched in residue.watch(select, "shop", sink).outputs:
        for value in raw[watched.name]:
            if watched.cell is not None:
                content += watched.cell(value.encode()) + b"\n"
    for start in range(0, len(content), piece):
        await sink.write(content[start : start + piece])
    finish_tap(sink)
    assert heap.data == content
    return residue.alarms()


EMAILS = [f"canary{number}@shop-mail.de" for number in range(50)]


async def test_a_raw_value_of_a_masked_column_is_seen_in_another_place() -> None:
    found = await scanned({"mail": EMAILS}, b"id,note\r\n1,please ask canary7@shop-mail.de\r\n", masks={"mail": "hash"})
    assert Alarm("rows.csv", "raw value", 1, "shop/public.customer.mail") in found
    assert Alarm("rows.csv", "e-mail address", 1) in found
    assert "canary" not in describe_alarms(found)


async def test_names_and_streets_are_seen_as_whole_fields_but_plain_words_are_not() -> None:
    names = ["Ann Lee Berger", "Bob"]
    found = await scanned({"who": names}, b"1\tAnn Lee Berger\n2\tBob\n3\tBobolink\n", masks={"who": "hash"})
    assert [alarm.count for alarm in found] == [1]
    assert await scanned({"who": ["Johnson"]}, b"1\tJohnson & Johnson\n", masks={"who": "hash"}) == ()


@pytest.mark.parametrize("mask", ["hash", "email", "digits", "phone", "person_name", "redact"])
async def test_pseudonyms_alone_raise_no_alarm(mask: str) -> None:
    values = EMAILS if mask in {"hash", "email"} else [f"+49 30 55{number:05d}" for number in range(500)]
    assert await scanned({"a": values}, b"id,a\r\n", masks={"a": mask}) == ()


async def test_a_pseudonym_that_is_somebodys_value_is_no_finding() -> None:
    column = Column("a", "text", Kind.TEXT)
    cell = bind_mask(MaskRule("digits"), column, KEY).cell
    assert cell is not None
    first = "4930555000"
    second = cell(first.encode()).decode()  # the second person's number is what the first one's becomes
    assert await scanned({"a": [first, second]}, b"", masks={"a": "digits"}) == ()
    assert await scanned({"a": [second, first]}, b"", masks={"a": "digits"}) == ()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"call +49 30 1234567 now", "phone number"),
        (b'{"a": "DE89370400440532013000"}', "bank account"),
        (b"card 4111 1111 1111 1111,", "payment card"),
        (b"x\t-----BEGIN RSA PRIVATE KEY-----\\nMII", "secret"),
        (b"token ghp_" + b"a1B2" * 9, "secret"),
        (b"<a href='mailto:someone@corp.de'>", "e-mail address"),
    ],
)
async def test_personal_forms_in_unmasked_text_are_seen(content: bytes, kind: str) -> None:
    (found,) = await scanned({"note": []}, content, masks={})
    assert (found.kind, found.count, found.column) == (kind, 1, "")


@pytest.mark.parametrize(
    "content", [b"a@example.com b@mail.example.org c@x.test", b"4111 1111 1111 1112", b"2024-01-02 10:11:12", b"x@y"]
)
async def test_reserved_domains_and_ordinary_numbers_are_not(content: bytes) -> None:
    assert await scanned({"note": []}, content, masks={}) == ()


async def test_what_its_owner_lets_be_seen_is_expected() -> None:
    assert await scanned({"email": []}, b"1,a@corp.de", masks={}) == ()
    (found,) = await scanned({"email": []}, b"1,a@corp.de,+49 30 1234567", masks={})
    assert found.kind == "phone number"


async def test_off_is_off_and_the_rest_goes_on_unchanged() -> None:
    residue, heap = Residue("off"), Heap()
    assert residue.tap("a", "", heap) is heap
    select = Select(text("SELECT"), (output("email", "hash"),))
    assert residue.watch(select, "shop", heap) is select
    assert residue.alarms() == ()


async def test_personal_forms_are_seen_in_a_package_without_masks() -> None:
    residue = Residue("alarm", masks=False)
    sink = residue.tap("rows.csv", "public.customer", Heap())
    await sink.write(b"1,a@corp.de,4111 1111 1111 1111,DE89370400440532013000\n")
    finish_tap(sink)
    assert {alarm.kind for alarm in residue.alarms()} == {"e-mail address", "payment card", "bank account"}


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"a@b.de@c.de", [b"a@b.de"]),
        (b"_x@y.de+x@y.de", [b"_x@y.de"]),
        (b"x" * 64 + b"@y.de", [b"x" * 64 + b"@y.de"]),
        (b"x" * 65 + b"@y.de", []),
        (b"@y.de 1@y.d", []),
    ],
)
def test_addresses_are_whole_and_do_not_overlap(content: bytes, found: list[bytes]) -> None:
    assert [word for _, word in find_forms(content)] == found


@pytest.mark.parametrize(
    ("content", "kinds"),
    [
        (b"4111111111111111", ["payment card"]),
        (b"-4111-1111 1111-1111 ", ["payment card"]),
        (b"2024-01-02 10:11 4111 1111 1111 1111", []),  # one long run
        (b"at 2024-01-02 10:11\t2024-01-03 11:4111 1111 1111 1111", ["payment card"]),
        (b"4111  1111 1111 1111", []),
        (b"xDE89370400440532013000 DE89370400440532013000", ["bank account"]),
        (b"_DE89370400440532013000", []),
        (b"AA00 x DE89 3704 0044 0532 0130 00", ["bank account"]),
    ],
)
def test_numbers_are_found_between_other_digits_and_letters(content: bytes, kinds: list[str]) -> None:
    assert [kind for kind, _ in find_forms(content)] == kinds


def test_the_byte_by_which_a_secret_is_sought_is_in_it() -> None:
    assert all(rare in start for rare, starts in SECRET_STARTS for start in starts)


@pytest.mark.parametrize("piece", [1, 7, 997, 4096])
async def test_the_same_member_is_looked_at_in_the_same_way_however_it_comes(
    piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, size in {"HEAD": 4096, "STRIDE": 8192, "WINDOW": 1024}.items():
        monkeypatch.setattr(residue_room, name, size)
    noise = random.Random(1)
    line = b"row %d canary%d@shop-mail.de\n"
    content = b"".join(line % (n, noise.randrange(50)) for n in range(1000))
    (raw,) = [a for a in await scanned({"m": EMAILS}, content, masks={"m": "hash"}, piece=piece) if a.column]
    (once,) = [a for a in await scanned({"m": EMAILS}, content, masks={"m": "hash"}, piece=len(content)) if a.column]
    assert raw == once
    assert 150 < raw.count < 350, "the head, then a window of every stride"


async def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(residue_room, "MAX_VALUES", 10)
    found = await scanned({"m": EMAILS}, "\n".join(EMAILS).encode(), masks={"m": "hash"})
    (raw,) = [alarm for alarm in found if alarm.kind == "raw value"]
    assert raw.count == 10
