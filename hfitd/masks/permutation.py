"""A keyed permutation of strings of digits in any radix: distinct inputs of one length never become equal.

A balanced-as-can-be Feistel network over two halves, with HMAC-SHA256 as round function; the construction is that of
FF1 (NIST SP 800-38G) without its AES.
"""

from __future__ import annotations

from collections.abc import Sequence

from hfitd.masks.derive import digest

_ROUNDS = 10


def permute(key: bytes, tweak: bytes, digits: Sequence[int], radix: int) -> list[int]:
    """The digits under the permutation that key, tweak, radix and their number select."""
    count = len(digits)
    if count == 0:
        return []
    if count == 1:  # one digit has no halves: its place in the order of the digests of all digits
        order = sorted(range(radix), key=lambda digit: digest(key, b"one\x00%d\x00%d\x00" % (radix, digit) + tweak))
        return [order[digits[0]]]
    middle = count // 2
    left, right = _number(digits[:middle], radix), _number(digits[middle:], radix)
    sizes = (radix**middle, radix ** (count - middle))
    for turn in range(_ROUNDS):
        text = b"%d\x00%d\x00%d\x00%d\x00" % (radix, count, turn, right if turn % 2 == 0 else left) + tweak
        noise = int.from_bytes(digest(key, text), "big")
        if turn % 2 == 0:
            left = (left + noise) % sizes[0]
        else:
            right = (right + noise) % sizes[1]
    return _digits(left, middle, radix) + _digits(right, count - middle, radix)


def permute_number(key: bytes, tweak: bytes, digits: Sequence[int]) -> list[int]:
    """Like ``permute`` in radix 10, with leading zeros in place and no others made."""
    zeros = next((place for place, digit in enumerate(digits) if digit), len(digits))
    rest = list(digits[zeros:])
    while rest:  # walk the cycle until the first digit is not zero: nine of ten steps end it
        rest = permute(key, tweak, rest, 10)
        if rest[0]:
            break
    return [0] * zeros + rest


def _number(digits: Sequence[int], radix: int) -> int:
    number = 0
    for digit in digits:
        number = number * radix + digit
    return number


def _digits(number: int, count: int, radix: int) -> list[int]:
    digits = []
    for _ in range(count):
        number, digit = divmod(number, radix)
        digits.append(digit)
    return digits[::-1]
