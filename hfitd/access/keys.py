"""SSH public keys of users: read once, strictly, into a value that can be compared and verified with.

What is refused, each with its reason (A17):

1. Anything that is not one line of at most 8 KiB, or that holds control or formatting characters.
2. ``authorized_keys`` options, certificates, hardware keys (``sk-``: not supported), DSA, unknown types.
3. Base64 that is not canonical, a blob that names another type, has something after its end, or is not the one
   encoding of its key.
4. RSA below 2048 or above 16384 bits, or with an exponent below 65537; ECDSA on other curves than P-256, P-384 and
   P-521; Ed25519 points that are not canonical or of small order.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import unicodedata
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_public_key

from hfitd.access.curve25519 import is_honest_point
from hfitd.access.wire import WireReader
from hfitd.errors import BadRequest

KEY_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
_MAX_LINE = 8192
_MAX_COMMENT = 200
_RSA_BITS = (2048, 16384)
_LEAST_EXPONENT = 65537

LoadedKey = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A checked key. ``line`` is ``TYPE BASE64`` without comment; ``fingerprint`` is as ssh prints it."""

    type: str
    line: str
    fingerprint: str
    comment: str = ""

    @property
    def blob(self) -> bytes:
        """The key in SSH wire form."""
        return base64.b64decode(self.line.split(" ")[1])

    def load(self) -> LoadedKey:
        """The key, ready to verify with."""
        return _load(self.line)


def parse_public_key(line: str) -> PublicKey:
    """The key of one OpenSSH public key line; BadRequest with a named reason for all that is listed above."""
    text = line.removesuffix("\n").removesuffix("\r").strip(" ")
    if len(text) > _MAX_LINE:
        raise _refuse("it is longer than 8 KiB")  # 1
    if "\n" in text or "\r" in text:
        raise _refuse("it has several lines; give one key at a time")  # 1
    if any(unicodedata.category(character).startswith("C") for character in text):
        raise _refuse("it holds control characters")  # 1
    kind, _, rest = text.partition(" ")
    _check_type(kind)  # 2
    encoded, _, comment = rest.strip().partition(" ")
    blob = _decode(encoded)  # 3
    _check_blob(kind, blob)  # 3
    comment = comment.strip()
    if len(comment) > _MAX_COMMENT:
        raise _refuse("its comment is longer than 200 characters")
    canonical = f"{kind} {encoded}"
    _check_strength(_load(canonical), canonical)  # 4
    return PublicKey(kind, canonical, fingerprint_of(blob), comment)


def fingerprint_of(blob: bytes) -> str:
    """``SHA256:`` and the unpadded base64 of the digest, as ``ssh-keygen -l`` prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _refuse(reason: str) -> BadRequest:
    return BadRequest(
        f"this public key is refused: {reason}",
        suggestions=("make one with: ssh-keygen -t ed25519",),
    )


def _check_type(kind: str) -> None:
    if kind in KEY_TYPES:
        return
    if "-cert-v0" in kind:
        raise _refuse("certificates are not accepted, give the key itself")
    if kind.startswith("sk-"):
        raise _refuse("hardware keys (sk-) are not supported")
    if kind == "ssh-dss":
        raise _refuse("DSA keys are too weak")
    if kind.startswith("ecdsa-"):
        raise _refuse("its curve is none of P-256, P-384 and P-521")
    if kind.startswith("-----"):
        raise _refuse("it is not an OpenSSH public key line (the .pub file)")
    if "=" in kind or '"' in kind or "," in kind or kind in {"restrict", "cert-authority"}:
        raise _refuse("options before the key are not accepted")
    raise _refuse(f"it does not start with one of {', '.join(KEY_TYPES)}")


def _decode(encoded: str) -> bytes:
    try:
        blob = base64.b64decode(encoded.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise _refuse("its base64 is damaged") from None
    if base64.b64encode(blob).decode() != encoded:
        raise _refuse("its base64 is not canonical")
    return blob


def _check_blob(kind: str, blob: bytes) -> None:
    parts = {"ssh-ed25519": 1, "ssh-rsa": 2}.get(kind, 2)
    reader = WireReader(blob)
    try:
        inner = reader.string()
        values = [reader.string() for _ in range(parts)]
        reader.finish()
    except ValueError as error:
        raise _refuse(str(error)) from None
    if inner != kind.encode():
        raise _refuse("it says it is of one type and holds another")
    if kind == "ssh-ed25519" and not is_honest_point(values[0]):
        raise _refuse("its point is not on the curve or of small order")  # 4


def _load(line: str) -> LoadedKey:
    try:
        key = load_ssh_public_key(line.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise _refuse("its numbers are not those of a key") from None
    if not isinstance(key, ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise _refuse("its type is not accepted")
    return key


def _check_strength(key: LoadedKey, line: str) -> None:
    if isinstance(key, rsa.RSAPublicKey):
        if not _RSA_BITS[0] <= key.key_size <= _RSA_BITS[1]:
            raise _refuse(f"RSA keys have 2048 to 16384 bits, this one has {key.key_size}")
        if key.public_numbers().e < _LEAST_EXPONENT:
            raise _refuse("its RSA exponent is below 65537")
    if key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode() != line:
        raise _refuse("it is not the canonical encoding of its key")  # 3
