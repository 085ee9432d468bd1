"""Masks that may stand on a unique column keep distinct values distinct.

Those of a form are keyed permutations: a Feistel network can be run backwards, walking a cycle back into a domain stays
a permutation of it, and what stands around the permuted part is kept. So they are proved by construction, and here on
whole small domains. Those that rest on digests (``hash`` and whatever is spelled from one) have at least 64 bits; a
million inputs for each mask are the run of ``make test-million``, and for the shortest digest part of every suite.
"""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Callable, Iterator
from itertools import product

import pytest

from hfitd.masks.permutation import SMALL, Permutation
from hfitd.masks.table import MASKS, bind_mask
from hfitd.model import Column, Json, Kind, MaskRule

KEY = b"k" * 32
MILLION = 10**6
TEXT, INTEGER = Column("c", "text", Kind.TEXT), Column("c", "bigint", Kind.INTEGER)


def luhn(number: int) -> bytes:
    """A card number of 16 digits from 15 of them."""
    body = f"{number:015d}"
    total = sum(sum(divmod(int(digit) * (2 - place % 2), 10)) for place, digit in enumerate(body))
    return f"{body}{-total % 10}".encode()


def iban(number: int) -> bytes:
    """A German account with its check digits (ISO 13616)."""
    return f"DE{98 - int(f'{number:018d}131400') % 97:02d}{number:018d}".encode()


# Mask and kind -> the n-th input. Distinct n are distinct values after every folding that the mask states.
INPUTS: dict[str, tuple[str, Column, dict[str, Json], Callable[[int], bytes]]] = {
    "hash": ("hash", TEXT, {"length": 16}, lambda n: b"%d" % n),
    "email": ("email", TEXT, {}, lambda n: b"user%d@shop%d.test" % (n, n % 7)),
    "phone": ("phone", TEXT, {}, lambda n: b"+49 30 %07d" % n),
    "digits": ("digits", TEXT, {}, lambda n: b"%04d-%04d" % divmod(n, 10_000)),
    "card": ("card", TEXT, {}, lambda n: luhn(4 * 10**14 + n)),
    "iban": ("iban", TEXT, {}, lambda n: iban(10**15 + n)),
    "uuid": ("uuid", Column("c", "uuid", Kind.UUID), {}, lambda n: str(uuid.UUID(int=n)).encode()),
    "uuid of text": ("uuid", TEXT, {}, lambda n: b"order %d" % n),
    "integer": ("integer", INTEGER, {}, lambda n: b"%d" % (n - 5000)),
    "ip": ("ip", TEXT, {}, lambda n: str(ipaddress.IPv4Address(0x0A000000 + n)).encode()),
    "ip of version 6": ("ip", TEXT, {}, lambda n: str(ipaddress.IPv6Address((0x2A01 << 112) + n)).encode()),
}
BATCH = 10_000


def test_every_mask_that_promises_it_is_looked_at() -> None:
    promising = {name for name, mask in MASKS.items() if mask.injective and mask.keyed}
    assert promising == {mask for mask, *_ in INPUTS.values()}


@pytest.mark.parametrize("size", [*range(1, SMALL + 30), 127, 128, 129, 255, 256, 257, 1000, 4095, 4097])
def test_a_permutation_of_a_small_domain_reaches_every_member_once(size: int) -> None:
    permutation = Permutation(KEY, b"test")
    for tweak in (b"", b"other"):
        assert {permutation.below(tweak, number, size) for number in range(size)} == set(range(size))


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_strings_of_digits_and_numbers_are_permuted_among_their_like(length: int) -> None:
    permutation = Permutation(KEY, b"test")
    every = {b"%0*d" % (length, number) for number in range(10**length)}
    assert {permutation.digits(b"", text) for text in every} == every
    numbers = {permutation.number(b"", text) for text in every}
    assert numbers == every


@pytest.mark.parametrize("radices", [(2, 3), (10, 26), (3, 1, 4), (26, 10, 10), (36, 2, 7), (5, 5, 5, 5), (97, 11)])
def test_strings_of_mixed_radices_are_permuted_among_their_like(radices: tuple[int, ...]) -> None:
    permutation = Permutation(KEY, b"test")
    every = set(product(*map(range, radices)))
    assert {tuple(permutation.mixed(b"", places, radices)) for places in every} == every


@pytest.mark.parametrize("name", INPUTS)
def test_ten_thousand_neighbours_stay_distinct(name: str) -> None:
    assert len(set(pseudonyms(name, BATCH))) == BATCH


def test_a_million_values_under_the_shortest_digest_stay_distinct() -> None:
    assert len(set(pseudonyms("hash", MILLION))) == MILLION


@pytest.mark.million
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", INPUTS)
def test_a_million_values_stay_distinct(name: str) -> None:
    assert len(set(pseudonyms(name, MILLION))) == MILLION


def pseudonyms(name: str, count: int) -> Iterator[bytes | None]:
    """What the mask makes of so many inputs, as of a unique column."""
    mask, column, options, value = INPUTS[name]
    cover = bind_mask(MaskRule(mask, options), column, KEY, unique=True).cover
    return (cover(value(number)) for number in range(count))
