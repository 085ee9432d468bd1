"""Keys of masks, the functions under them, and the folding of personal values.

Each mask has its own key, derived from the policy's mask key with one HKDF-like step (HMAC-SHA256 over a label, RFC
5869 with the mask key as pseudo-random key), so that what one mask shows says nothing about another.

Two keyed functions are used: HMAC-SHA256 (RFC 2104) where a database computes the same, and BLAKE2b with a key
(RFC 7693), which is a third of the work, everywhere else. Both keep their state under the key and copy it for each
value: half the cost of starting anew.
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from collections.abc import Callable

Draw = Callable[[bytes], bytes]

_LABEL = b"hfit-mask-v1:"
_BLOCK = 64
_CONTROLS = bytes(range(0x1C, 0x20))  # ``str.strip`` takes them for blanks, ``bytes.strip`` does not


def derive_key(master: bytes, mask: str) -> bytes:
    """The key of one mask, 32 bytes."""
    return hmac.digest(master, _LABEL + mask.encode() + b"\x01", hashlib.sha256)


def digest(key: bytes, value: bytes) -> bytes:
    """HMAC-SHA256 of one value, 32 bytes; for many, ``hmac_pads`` and ``hmac_sha256`` are faster."""
    return hmac.digest(key, value, hashlib.sha256)


def hmac_pads(key: bytes) -> tuple[bytes, bytes]:
    """The inner and outer pad of HMAC (RFC 2104) for a key of at most 64 bytes."""
    padded = key.ljust(_BLOCK, b"\0")
    return bytes(byte ^ 0x36 for byte in padded), bytes(byte ^ 0x5C for byte in padded)


def hmac_sha256(key: bytes) -> Draw:
    """HMAC-SHA256 under the key, for many values."""
    inner_pad, outer_pad = hmac_pads(key)
    inner, outer = hashlib.sha256(inner_pad), hashlib.sha256(outer_pad)

    def draw(value: bytes) -> bytes:
        first, second = inner.copy(), outer.copy()
        first.update(value)
        second.update(first.digest())
        return second.digest()

    return draw


def keyed_draw(key: bytes, label: bytes, size: int = 64) -> Draw:
    """Bytes that depend on key, label and value alone. The label is a short constant that ends in NUL."""
    state = hashlib.blake2b(label, key=key, digest_size=size)

    def draw(value: bytes) -> bytes:
        copy = state.copy()
        copy.update(value)
        return copy.digest()

    return draw


def stretch(seed: bytes, size: int) -> bytes:
    """As many bytes as needed, from a seed nobody can guess (SHAKE-256)."""
    return hashlib.shake_256(seed).digest(size)


def fold_person(value: bytes) -> bytes:
    """How values of persons are compared: NFC, without case, without outer blanks.

    Bytes that are no UTF-8 are kept as they are, so that no two of them become one.
    """
    if value.isascii() and len(value.translate(None, _CONTROLS)) == len(value):
        return value.strip().lower()
    text = value.decode("utf-8", "surrogateescape").strip()
    # folding case can leave NFC, so it is composed once more
    text = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    return text.strip().encode("utf-8", "surrogateescape")
