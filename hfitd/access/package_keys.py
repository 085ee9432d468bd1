"""The key that signs packages, and the ones before it, which stay listed and are endorsed from key to key.

1. A rotation lets the old key sign the line of the new one (namespace ``hfit-package-key@hfitd.v1``), so a client that
   pinned any earlier key can follow the chain to the current one, and nobody else can extend it.
2. The old private key is removed after a rotation; its public line and its endorsement stay, so old packages verify.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hfitd.access import sshsig
from hfitd.access.keyfiles import (
    numbered_file,
    numbered_files,
    open_directory,
    read_file,
    read_private_key,
    write_new_file,
    write_private_key,
)
from hfitd.access.keys import PublicKey, parse_public_key
from hfitd.errors import BadRequest, Conflict, StoreUnavailable
from hfitd.model import Json

PACKAGE_NAMESPACE = "hfit-package@hfitd.v1"
ENDORSEMENT_NAMESPACE = "hfit-package-key@hfitd.v1"
_NAME = "package"


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A package key that was ever current; ``endorsement`` is the previous key's signature over ``key.line``."""

    key: PublicKey
    endorsement: str | None


class PackageKeys:
    """Signs with the current key; ``rotate`` makes a new one."""

    def __init__(self, directory: Path, private: Ed25519PrivateKey, listed: tuple[ListedKey, ...]) -> None:
        self._directory = directory
        self._private = private
        self._listed = listed  # oldest first; the last is current

    @classmethod
    def load(cls, directory: Path) -> PackageKeys:
        """Read the keys, making the first one if there is none. StoreUnavailable when files are unsafe or damaged."""
        open_directory(directory)
        if not numbered_files(directory, _NAME, "pem"):
            with contextlib.suppress(Conflict):  # another instance was first; its key is the one
                write_private_key(numbered_file(directory, _NAME, 1, "pem"), Ed25519PrivateKey.generate())
        private, listed = _read(directory)
        return cls(directory, private, listed)

    @property
    def current(self) -> PublicKey:
        """The key that signs now."""
        return self._listed[-1].key

    def sign(self, manifest: bytes) -> str:
        """The SSHSIG of the exact bytes of a manifest."""
        return sshsig.sign(self._private, manifest, PACKAGE_NAMESPACE)

    def public(self) -> list[Mapping[str, Json]]:
        """Every key as the wire lists it, the current one first."""
        return [
            {
                "public_key": item.key.line,
                "fingerprint": item.key.fingerprint,
                "current": item is self._listed[-1],
                "endorsement": item.endorsement,
            }
            for item in reversed(self._listed)
        ]

    def rotate(self) -> PublicKey:
        """Make a new current key, endorsed by the old one. Conflict when another instance rotates at the moment."""
        self._private, self._listed = _read(self._directory)
        files = numbered_files(self._directory, _NAME, "pem")
        number = max(files) + 1
        private = Ed25519PrivateKey.generate()
        endorsement = sshsig.sign(self._private, _line(private).encode(), ENDORSEMENT_NAMESPACE)  # 1
        for old, path in files.items():
            public = numbered_file(self._directory, _NAME, old, "pub")
            if not public.exists():
                write_new_file(public, (_line(read_private_key(path)) + "\n").encode())
        draft = numbered_file(self._directory, _NAME, number, "pub")
        draft.unlink(missing_ok=True)  # of a rotation that was interrupted before its key was written
        write_new_file(draft, (_line(private) + "\n" + endorsement).encode())
        write_private_key(numbered_file(self._directory, _NAME, number, "pem"), private)
        for path in files.values():
            path.unlink(missing_ok=True)  # 2
        self._private, self._listed = _read(self._directory)
        return self.current


def _line(private: Ed25519PrivateKey) -> str:
    return private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def _read(directory: Path) -> tuple[Ed25519PrivateKey, tuple[ListedKey, ...]]:
    files = numbered_files(directory, _NAME, "pem")
    if not files:
        raise StoreUnavailable("The package key is gone; restore it from the backup.")
    current = max(files)
    private = read_private_key(files[current])
    # a line above the current number, without its private key, is of a rotation that never finished
    lines = numbered_files(directory, _NAME, "pub")
    known = [_read_listed(path) for number, path in lines.items() if number <= current]
    line = _line(private)
    if not known or known[-1].key.line != line:
        known.append(ListedKey(parse_public_key(line), None))
    return private, tuple(known)


def _read_listed(path: Path) -> ListedKey:
    try:
        line, _, endorsement = read_file(path).decode("ascii").partition("\n")
        return ListedKey(parse_public_key(line), endorsement or None)
    except (BadRequest, UnicodeDecodeError) as error:
        raise StoreUnavailable("A key file is damaged; restore it from the backup.") from error
