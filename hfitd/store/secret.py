"""A secret of the installation in a file of its own: made once, mode 0600, shared by all instances."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from hfitd.errors import StoreUnavailable

_SIZE = 32


def load_secret(path: Path) -> bytes:
    """The 32 bytes in the file, which is made if absent.

    1. Made complete under another name and linked into place: of several instances that start together one wins and
       all read the same.
    2. Refused when others than the owner may read it, when it is not a plain file, or too short.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _make(path)
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            text = file.read(1024)
    except OSError as error:
        raise StoreUnavailable("A key file of the store cannot be read or made; check keys_dir.") from error
    if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o077:  # 2
        raise StoreUnavailable("A key file of the store may be read by others; set its mode to 0600.")
    try:
        secret = bytes.fromhex(text.decode("ascii").strip())
    except ValueError as error:
        raise StoreUnavailable("A key file of the store is damaged; restore it from the backup.") from error
    if len(secret) != _SIZE:  # 2
        raise StoreUnavailable("A key file of the store is damaged; restore it from the backup.")
    return secret


def _make(path: Path) -> None:
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(_SIZE) + "\n")
            file.flush()
            os.fsync(descriptor)
        os.link(draft, path)  # 1
    except FileExistsError:
        pass  # another instance was first; its secret is the one
    finally:
        draft.unlink()
