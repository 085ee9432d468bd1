"""Giving a finished package its name, without losing what stood there (attack cases C05, C12).

1. Two hfit never work on one target: a lock file beside it, released by the system when a process dies.
2. Nothing there, or an empty folder: renamed. An unmodified earlier package: exchanged in one step. Anything else is
   refused, exit 6; ``--force`` replaces that too, but never a link, the home folder, or a folder one stands in.
3. What was replaced is removed only after the new package has its name.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from hfit.credentials.pins import Trust
from hfit.errors import IntegrityFailed, TargetBusy, TargetOccupied
from hfit.package.extract import part_prefix
from hfit.package.verify import verify_package

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_RENAME_EXCHANGE = 2
_AT_FDCWD = -100


@contextlib.contextmanager
def locked(target: Path) -> Iterator[None]:
    """Hold the target for the time of the block (step 1); TargetBusy when another process has it."""
    path = target.with_name(f".{target.name}.hfit-lock")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        try:
            if sys.platform == "win32":
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not path.exists() or not os.path.samestat(os.fstat(descriptor), path.stat()):
                    raise BlockingIOError  # the one before us removed its lock while we opened it
        except OSError as error:
            raise TargetBusy(
                f"Another hfit is working on {target}.", suggestions=["Wait until it has finished, then try again."]
            ) from error
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                path.unlink()
    finally:
        os.close(descriptor)


def clear_leftovers(target: Path) -> None:
    """Remove unfinished folders of a run that was killed. Only while the target is locked."""
    for leftover in target.parent.glob(part_prefix(target).replace("[", "[[]") + "????????"):
        if leftover.is_dir() and not leftover.is_symlink():
            shutil.rmtree(leftover, ignore_errors=True)


def check_target(target: Path, trust: Trust, *, force: bool, archive: bool = False) -> bool:
    """Whether something has to be replaced; TargetOccupied when it must not be (step 2). ``archive``: it is a file."""
    if target.is_symlink():
        raise _occupied(target, "It is a symbolic link.", forceable=False)
    if not target.exists():
        return False
    if is_precious(target) or (archive and target.is_dir()):
        raise _occupied(target, "It is your home folder, or a folder that is in use.", forceable=False)
    if not force and not (target.is_dir() and not any(target.iterdir())):
        _require_package(target, trust, archive=archive)
    return True


def _require_package(target: Path, trust: Trust, *, archive: bool) -> None:
    if target.is_dir() == archive:
        raise _occupied(target, "It is a file.", forceable=True)
    try:
        verify_package(target, trust, allow_hidden=True, allow_expired=True)
    except IntegrityFailed as error:
        raise _occupied(target, f"It is not an unmodified package: {error.message}", forceable=True) from error


def place(part: Path, target: Path, trust: Trust, *, force: bool) -> None:
    """Make the finished folder ``part`` the target."""
    _put(part, target, replacing=check_target(target, trust, force=force))


def place_folder(part: Path, target: Path, *, force: bool) -> None:
    """The same for a folder that is no package: without ``force`` only an empty one is replaced."""
    _put(part, target, replacing=check_folder(target, force=force))


def check_folder(target: Path, *, force: bool) -> bool:
    """As ``check_target``, for a folder that is no package."""
    if not force and target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise _occupied(target, "There is something already.", forceable=True)
    return check_target(target, Trust(), force=True)


def _put(part: Path, target: Path, *, replacing: bool) -> None:
    if replacing:
        _exchange(part, target)
    else:
        part.rename(target)
    _sync_folder(target.parent)


def place_file(part: Path, target: Path) -> None:
    """Make the finished file ``part`` the target; a plain file there is replaced, links and folders are refused."""
    if target.is_symlink() or target.is_dir():
        what = "It is a symbolic link." if target.is_symlink() else "It is a folder."
        raise _occupied(target, what, forceable=False)
    part.replace(target)
    _sync_folder(target.parent)


def is_precious(target: Path) -> bool:
    """Whether it is the home folder or the current one, or holds one of them."""
    resolved, here = target.resolve(), Path.cwd().resolve()
    with contextlib.suppress(RuntimeError):
        home = Path.home().resolve()
        if resolved == home or resolved in home.parents:
            return True
    return resolved == here or resolved in here.parents


def _exchange(part: Path, target: Path) -> None:
    """Swap both names in one step where the system can, else in two with a way back; then remove the old (step 3)."""
    if _swap_names(part, target):
        _remove(part)
        return
    old = target.with_name(f".{target.name}.old-{secrets.token_hex(4)}")
    target.rename(old)
    try:
        part.rename(target)
    except OSError:
        old.rename(target)
        raise
    _remove(old)


def _swap_names(one: Path, other: Path) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    import ctypes  # noqa: PLC0415 - lazy start-up: 10 ms

    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function is None:
        return False
    return bool(function(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _occupied(target: Path, reason: str, *, forceable: bool) -> TargetOccupied:
    hint = "Choose another place with -o" + (", or replace it with --force." if forceable else ".")
    return TargetOccupied(f"{target} is not replaced.", reason=reason, suggestions=[hint])
