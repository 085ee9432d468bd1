"""Keyed permutations: distinct inputs of one form never become equal, and the form stays.

A Feistel network of eight rounds over two halves that are as equal as can be, with keyed BLAKE2s (RFC 7693) as round
function; the construction is that of FF3-1 (NIST SP 800-38G) without its AES. Domains of at most ``SMALL`` members,
where a network of two tiny halves would be weak, are put in the order of their members' digests instead.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from math import prod
from typing import Any

from hfitd.masks.derive import stretch

SMALL = 100
_ROUNDS = 8
_KEPT = 512
_MOST_BYTES = 32
_UNBIASED = 8  # bytes of noise beyond those of a half, so that no remainder is likelier than another
_LONGEST = 400  # digits permuted at once; Python refuses numbers of ten times as many

_Rounds = tuple[list[Any], int, int]


class Permutation:
    """The permutations of one mask. ``tweak`` selects one; so does the size of the domain."""

    def __init__(self, key: bytes, label: bytes) -> None:
        self._key, self._label = key, label
        self._rounds: dict[tuple[bytes, int, int], _Rounds] = {}
        self._orders: dict[tuple[bytes, int], Sequence[int]] = {}

    def below(self, tweak: bytes, number: int, size: int) -> int:
        """The number's place in a permutation of ``0 .. size - 1``."""
        if size <= SMALL:
            return self._small(tweak, number, size)
        bits = (size - 1).bit_length()
        left, right = 1 << bits // 2, 1 << (bits - bits // 2)
        while True:  # walk the cycle back into the domain: less than two steps on average
            number = self._network(tweak, number, left, right)
            if number < size:
                return number

    def mixed(self, tweak: bytes, places: Sequence[int], radices: Sequence[int]) -> list[int]:
        """A string of digits, each with a radix of its own, permuted among all strings of these radices."""
        middle = len(radices) // 2
        left, right = prod(radices[:middle]), prod(radices[middle:])
        number = 0
        for place, radix in zip(places, radices, strict=True):
            number = number * radix + place
        number = self._halves(tweak, number, left, right)
        permuted = []
        for radix in reversed(radices):
            number, place = divmod(number, radix)
            permuted.append(place)
        return permuted[::-1]

    def digits(self, tweak: bytes, text: bytes) -> bytes:
        """A string of ASCII digits, permuted among all of its length."""
        count = len(text)
        if count > _LONGEST:
            return self._long(tweak, text)
        if not count:
            return text
        middle = count // 2
        return b"%0*d" % (count, self._halves(tweak, int(text), 10**middle, 10 ** (count - middle)))

    def number(self, tweak: bytes, text: bytes) -> bytes:
        """Like ``digits``, with leading zeros in place and no others made."""
        rest = text.lstrip(b"0")
        zeros = text[: len(text) - len(rest)]
        while rest:  # walk the cycle until the first digit is not zero: nine of ten steps end it
            rest = self.digits(tweak, rest)
            if rest[0] != 0x30:
                break
        return zeros + rest

    def _long(self, tweak: bytes, digits: bytes) -> bytes:
        """Block by block there and back, each under what its neighbour became: all of it depends on all of it."""
        blocks = [digits[start : start + _LONGEST] for start in range(0, len(digits), _LONGEST)]
        for places in (range(len(blocks)), range(len(blocks) - 1, -1, -1)):
            near = b""
            for place in places:
                text = b"%slong\0%d\0%s\0%s" % (self._label, places.step, tweak, near)
                chained = hashlib.blake2s(text, key=self._key).digest()
                blocks[place] = near = self.digits(chained, blocks[place])
        return b"".join(blocks)

    def _halves(self, tweak: bytes, number: int, left: int, right: int) -> int:
        if left * right <= SMALL:
            return self._small(tweak, number, left * right)
        return self._network(tweak, number, left, right)

    def _small(self, tweak: bytes, number: int, size: int) -> int:
        order = self._orders.get((tweak, size))
        if order is None:
            start = b"%sorder\0%d\0%s\0" % (self._label, size, tweak)
            places = {hashlib.blake2s(start + b"%d" % place, key=self._key).digest(): place for place in range(size)}
            order = [places[digest] for digest in sorted(places)]
            _keep(self._orders, (tweak, size), order)
        return order[number]

    def _network(self, tweak: bytes, number: int, left: int, right: int) -> int:
        rounds, width, size = self._rounds_of(tweak, left, right)
        high, low = divmod(number, right)
        turns = iter(rounds)
        for turn in turns:  # written out, for this is most of what a mask costs
            state = turn.copy()
            state.update(low.to_bytes(width, "big"))
            high = (high + int.from_bytes(state.digest() if not size else stretch(state.digest(), size), "big")) % left
            state = next(turns).copy()
            state.update(high.to_bytes(width, "big"))
            low = (low + int.from_bytes(state.digest() if not size else stretch(state.digest(), size), "big")) % right
        return high * right + low

    def _rounds_of(self, tweak: bytes, left: int, right: int) -> _Rounds:
        """The state of each round's function, how many bytes a half has, and to how many its noise is stretched."""
        kept = self._rounds.get((tweak, left, right))
        if kept is None:
            width = (max(left, right).bit_length() + 7) // 8
            size = width + _UNBIASED
            start = b"%s%d\0%d\0%s\0" % (self._label, left, right, tweak)
            states = [
                hashlib.blake2s(start + bytes((turn,)), key=self._key, digest_size=min(size, _MOST_BYTES))
                for turn in range(_ROUNDS)
            ]
            kept = states, width, 0 if size <= _MOST_BYTES else size
            _keep(self._rounds, (tweak, left, right), kept)
        return kept


def _keep(kept: dict[Any, Any], key: tuple[Any, ...], value: object) -> None:
    if len(kept) >= _KEPT:
        kept.clear()
    kept[key] = value
