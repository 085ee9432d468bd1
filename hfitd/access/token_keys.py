"""The keys that sign access tokens: the current one signs, the previous one is still accepted after a rotation.

Private keys live in files of the installation, never in the store. A key id is the RFC 7638 thumbprint of the public
key, looked up in memory and nowhere else (A04). Instances that share the directory notice a rotation within seconds.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hfitd.access.keyfiles import (
    numbered_file,
    numbered_files,
    open_directory,
    read_private_key,
    write_private_key,
)
from hfitd.errors import Conflict, StoreUnavailable
from hfitd.model import Json

_NAME = "token"
_KEPT = 2
_LOOK_AGAIN_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key and its id."""

    kid: str
    private: Ed25519PrivateKey

    @property
    def public(self) -> Ed25519PublicKey:
        """The key that verifies."""
        return self.private.public_key()


class TokenKeys:
    """The current and the previous key. ``rotate`` makes a new current one."""

    def __init__(self, directory: Path, keys: Mapping[int, SigningKey], monotonic: Callable[[], float]) -> None:
        self._directory = directory
        self._keys = dict(keys)  # by number, ascending
        self._monotonic = monotonic
        self._looked = monotonic()

    @classmethod
    def load(cls, directory: Path, monotonic: Callable[[], float] = time.monotonic) -> TokenKeys:
        """Read the keys, making the first one if there is none. StoreUnavailable when files are unsafe or damaged."""
        open_directory(directory)
        if not numbered_files(directory, _NAME, "pem"):
            with contextlib.suppress(Conflict):  # another instance was first; its key is the one
                write_private_key(numbered_file(directory, _NAME, 1, "pem"), Ed25519PrivateKey.generate())
        return cls(directory, _read_keys(directory), monotonic)

    def current(self) -> SigningKey:
        """The key that signs."""
        self._look_again()
        return self._keys[max(self._keys)]

    def find(self, kid: str) -> SigningKey | None:
        """The key of that id, if it is current or previous."""
        self._look_again()
        return next((key for key in self._keys.values() if key.kid == kid), None)

    def rotate(self) -> str:
        """Make a new current key and return its id; the one before stays valid, older ones are removed."""
        self._keys = _read_keys(self._directory)
        private = Ed25519PrivateKey.generate()
        write_private_key(numbered_file(self._directory, _NAME, max(self._keys) + 1, "pem"), private)
        files = numbered_files(self._directory, _NAME, "pem")
        for number in sorted(files)[:-_KEPT]:
            files[number].unlink(missing_ok=True)
        self._keys = _read_keys(self._directory)
        return self.current().kid

    def jwks(self) -> Mapping[str, Json]:
        """The public keys as a JSON Web Key Set (RFC 7517, RFC 8037), the current one first."""
        self._look_again()
        return {"keys": [_public_jwk(key) for _, key in sorted(self._keys.items(), reverse=True)]}

    def _look_again(self) -> None:
        """See what another instance rotated; keys in memory stay when the directory cannot be read."""
        now = self._monotonic()
        if now - self._looked < _LOOK_AGAIN_SECONDS:
            return
        self._looked = now
        with contextlib.suppress(OSError, StoreUnavailable):
            if set(sorted(numbered_files(self._directory, _NAME, "pem"))[-_KEPT:]) != self._keys.keys():
                self._keys = _read_keys(self._directory)


def _read_keys(directory: Path) -> dict[int, SigningKey]:
    files = numbered_files(directory, _NAME, "pem")
    keys = {number: read_private_key(files[number]) for number in sorted(files)[-_KEPT:]}
    if not keys:
        raise StoreUnavailable("The token keys are gone; restore them from the backup.")
    return {number: SigningKey(_thumbprint(key), key) for number, key in keys.items()}


def _jwk(private: Ed25519PrivateKey) -> dict[str, str]:
    raw = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {"crv": "Ed25519", "kty": "OKP", "x": base64.urlsafe_b64encode(raw).decode().rstrip("=")}


def _thumbprint(private: Ed25519PrivateKey) -> str:
    canonical = json.dumps(_jwk(private), sort_keys=True, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).decode().rstrip("=")


def _public_jwk(key: SigningKey) -> dict[str, Json]:
    return {**_jwk(key.private), "kid": key.kid, "alg": "EdDSA", "use": "sig"}
