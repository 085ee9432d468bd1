"""Private keys of the installation: numbered Ed25519 files ``NAME-0001.pem`` in one directory, shared by instances.

1. The directory is 0700 and the files 0600; anything wider is refused, not repaired, since it was readable meanwhile.
2. A file is written whole under another name and linked into place: of instances that start or rotate together one
   wins, nobody reads half a key, and nothing is overwritten.
3. The highest number is the current key.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from hfitd.errors import Conflict, StoreUnavailable

_MAX_SIZE = 64 * 1024


def open_directory(directory: Path) -> None:
    """Make the directory, or refuse one that others can enter (1); StoreUnavailable."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = directory.stat()
    except OSError as error:
        raise StoreUnavailable("The directory of keys cannot be made or read; check keys_dir.") from error
    if status.st_mode & 0o077:
        raise StoreUnavailable("The directory of keys may be entered by others; set its mode to 0700.")


def numbered_files(directory: Path, name: str, suffix: str) -> dict[int, Path]:
    """The files ``NAME-<number>.<suffix>`` by number, ascending."""
    pattern = re.compile(rf"{re.escape(name)}-(\d{{4,9}})\.{suffix}")
    found = {}
    for path in directory.iterdir():
        match = pattern.fullmatch(path.name)
        if match:
            found[int(match[1])] = path
    return dict(sorted(found.items()))


def numbered_file(directory: Path, name: str, number: int, suffix: str) -> Path:
    """Where the file of that number lies."""
    return directory / f"{name}-{number:04d}.{suffix}"


def read_file(path: Path) -> bytes:
    """The content of a key file; StoreUnavailable when it cannot be read or others can (1)."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            content = file.read(_MAX_SIZE)
    except OSError as error:
        raise StoreUnavailable("A key file cannot be read; check keys_dir.") from error
    if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o077:
        raise StoreUnavailable("A key file may be read by others; set its mode to 0600.")
    return content


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """The Ed25519 key in a PEM file; StoreUnavailable."""
    try:
        key = load_pem_private_key(read_file(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise StoreUnavailable("A key file is damaged; restore it from the backup.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise StoreUnavailable("A key file holds a key of another type; Ed25519 is needed.")
    return key


def write_private_key(path: Path, key: Ed25519PrivateKey) -> None:
    """Write a new PEM file; Conflict when there is one."""
    write_new_file(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def write_new_file(path: Path, content: bytes) -> None:
    """Write a file that must not exist, durable and whole (2); Conflict when it does."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            os.link(draft, path)
        finally:
            draft.unlink()
    except FileExistsError as error:
        raise Conflict("Another instance wrote this key at the same moment; try again.") from error
    except OSError as error:
        raise StoreUnavailable("A key file cannot be written; check keys_dir and the disk.") from error
