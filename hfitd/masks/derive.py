"""Keys of masks and the folding of personal values.

Each mask has its own key, derived from the policy's mask key with one HKDF-like step (HMAC-SHA256 over a label, RFC
5869 with the mask key as pseudo-random key), so that what one mask shows says nothing about another.
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from collections.abc import Callable

_LABEL = b"hfit-mask-v1:"


def derive_key(master: bytes, mask: str) -> bytes:
    """The key of one mask, 32 bytes."""
    return hmac.digest(master, _LABEL + mask.encode() + b"\x01", hashlib.sha256)


def digest(key: bytes, value: bytes) -> bytes:
    """HMAC-SHA256 of the value, 32 bytes."""
    return hmac.digest(key, value, hashlib.sha256)


def fold_person(value: bytes) -> bytes:
    """How values of persons are compared: NFC, without case, without outer blanks.

    Bytes that are no UTF-8 are kept as they are, so that no two of them become one.
    """
    text = value.decode("utf-8", "surrogateescape").strip()
    # folding case can leave NFC, so it is composed once more
    text = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    return text.strip().encode("utf-8", "surrogateescape")


def numbers(key: bytes, value: bytes) -> Callable[[int], int]:
    """A source of numbers that depends on key and value alone: ``pick(n)`` gives the next one below ``n``."""
    state = int.from_bytes(digest(key, value), "big")

    def pick(below: int) -> int:
        nonlocal state
        state, number = divmod(state, below)
        return number

    return pick
