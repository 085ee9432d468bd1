"""Small files that belong to one user: tokens, pins, settings, private keys (attack case C10).

1. The folder is made with mode 0700 and refused when others may write into it.
2. A file is written beside its place with O_CREAT|O_EXCL|O_NOFOLLOW and mode 0600, synced, and renamed over the old
   one: a symlink is replaced, never followed, and a crash leaves the old or the new file.
3. A secret is read through O_NOFOLLOW; what is not a regular file of ours, or is open to others, is not used.

On systems without these flags and modes (Windows) the user's profile folder gives the protection.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from hfit.errors import PolicyRefused, UsageMistake

_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_CLOEXEC = getattr(os, "O_CLOEXEC", 0)
_BINARY = getattr(os, "O_BINARY", 0)
_NONBLOCK = getattr(os, "O_NONBLOCK", 0)
_HAS_OWNERS = hasattr(os, "getuid")


def prepare_directory(directory: Path) -> None:
    """Make the configuration folder, or refuse one that others may write into (step 1)."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = directory.stat()
    except OSError as error:
        raise UsageMistake(
            f"The folder {directory} cannot be used.",
            reason=error.strerror or "",
            suggestions=["Choose another folder with --config-dir."],
        ) from error
    if _HAS_OWNERS and (state.st_mode & 0o022 or state.st_uid not in (os.getuid(), 0)):  # 1
        raise PolicyRefused(
            f"The folder {directory} is open to other users.",
            reason="Whoever can write there could exchange your token and your pinned keys.",
            suggestions=[f"Run: chmod 700 {directory}"],
        )


def write_private(path: Path, data: bytes) -> None:
    """Put ``data`` in ``path`` atomically, readable by its owner only (step 2)."""
    prepare_directory(path.parent)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW | _CLOEXEC | _BINARY, 0o600)  # 2
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def read_private(path: Path, limit: int) -> bytes | None:
    """The bytes of a secret, or None when it is missing, too long, or not protected as it should be (step 3)."""
    try:
        descriptor = os.open(path, os.O_RDONLY | _NOFOLLOW | _CLOEXEC | _BINARY | _NONBLOCK)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        if exposure(os.fstat(file.fileno())):  # 3
            return None
        data = file.read(limit + 1)
    return data if len(data) <= limit else None


def exposure(state: os.stat_result) -> str:
    """Why a file is not private, in words; empty when it is. The rule is that of ssh."""
    if not stat.S_ISREG(state.st_mode):
        return "It is not a regular file."
    if _HAS_OWNERS and state.st_uid not in (os.getuid(), 0):
        return "It belongs to another user."
    if _HAS_OWNERS and state.st_mode & 0o077:
        return f"Its mode is {stat.S_IMODE(state.st_mode):04o}, so other users can read or change it."
    return ""
