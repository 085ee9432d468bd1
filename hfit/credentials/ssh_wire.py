"""SSH strings, public key lines and fingerprints (RFC 4251 section 5, RFC 4253 section 6.6): pure bytes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass

KEY_TYPES = ("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521")
MAX_BLOB_BYTES = 16_384


def pack_string(data: bytes) -> bytes:
    """A length-prefixed string."""
    return struct.pack(">I", len(data)) + data


@dataclass(slots=True)
class WireReader:
    """Reads SSH fields in order. Raises ValueError on anything that does not fit, also on what is left over."""

    data: bytes
    position: int = 0

    def take(self, size: int) -> bytes:
        """Exactly ``size`` bytes."""
        end = self.position + size
        if end > len(self.data):
            raise ValueError("an SSH structure ends too early")
        piece = self.data[self.position : end]
        self.position = end
        return piece

    def number(self) -> int:
        """An unsigned 32-bit number."""
        return int(struct.unpack(">I", self.take(4))[0])

    def string(self) -> bytes:
        """A length-prefixed string."""
        return self.take(self.number())

    def finish(self) -> None:
        """Refuse trailing bytes."""
        if self.position != len(self.data):
            raise ValueError("an SSH structure has trailing bytes")


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key as SSH writes it; two are the same key when their blobs are equal."""

    key_type: str
    blob: bytes

    @property
    def line(self) -> str:
        """``<type> <base64>``, without a comment."""
        return f"{self.key_type} {base64.b64encode(self.blob).decode()}"

    @property
    def fingerprint(self) -> str:
        """``SHA256:...`` as ssh-keygen prints it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")


def public_key_from_blob(blob: bytes) -> PublicKey:
    """The key in an SSH public blob. Refuses unknown types with ValueError; the numbers inside are checked on use."""
    if len(blob) > MAX_BLOB_BYTES:
        raise ValueError("a public key is too long")
    key_type = WireReader(blob).string().decode("ascii", "replace")
    if key_type not in KEY_TYPES:
        raise ValueError("a public key has a type that is not supported")
    return PublicKey(key_type, blob)


def parse_public_key_line(line: str) -> PublicKey:
    """Read ``<type> <base64> [comment]``. Refuses options, several lines and a type that differs from the blob's."""
    parts = line.strip().split(None, 2)
    if len(parts) < 2 or "\n" in line.strip():
        raise ValueError("a public key line is '<type> <base64> [comment]'")
    try:
        blob = base64.b64decode(parts[1], validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("the base64 of a public key line is damaged") from error
    key = public_key_from_blob(blob)
    if key.key_type != parts[0]:
        raise ValueError("a public key line names another type than its data")
    return key
