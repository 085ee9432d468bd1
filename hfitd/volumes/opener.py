"""Open a path beneath a folder and nowhere else. Two openers, one promise, one test suite.

1. Nothing above the folder is reachable: no ``..``, no absolute path, no magic link. Linux >= 5.6 resolves the whole
   path in one call, ``openat2(2)``; elsewhere each part is opened from the descriptor of the one before.
2. No symbolic link is followed, or, where the volume says so, only links whose targets stay beneath the folder.
3. No mount point is crossed.
4. Opening never waits: a FIFO without a writer or a device comes back at once and is refused by its type.
5. A race with a rename cannot matter: what was opened is known by its descriptor from then on.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import time
from pathlib import Path
from typing import Protocol

OPENAT2 = 437  # the number is the same on every Linux architecture
RESOLVE_NO_XDEV, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH = 0x01, 0x02, 0x04, 0x08
FILE_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
PART_FLAGS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
MAX_LINKS = 20
MAX_RETRIES = 128

Parts = tuple[bytes, ...]


class Opener(Protocol):
    """Gives a descriptor for the parts beneath ``root`` and the parts of what was really opened, or OSError."""

    def open(self, root: int, parts: Parts, *, directory: bool = False) -> tuple[int, Parts]:
        """The caller closes the descriptor. No parts at all, with ``directory``, is the root itself."""


class OpenHow(ctypes.Structure):
    """``struct open_how`` of openat2(2)."""

    _fields_ = [("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64)]


class KernelOpener:
    """``openat2``: the kernel keeps the promise."""

    def __init__(self) -> None:
        self._syscall = ctypes.CDLL(None, use_errno=True).syscall
        self._syscall.restype = ctypes.c_long

    def open(self, root: int, parts: Parts, *, directory: bool = False) -> tuple[int, Parts]:
        """One call; repeated while a rename elsewhere makes the kernel unsure (EAGAIN)."""
        path = b"/".join(parts) or b"."
        flags = FILE_FLAGS | os.O_NOFOLLOW | (os.O_DIRECTORY if directory else 0)  # 4
        resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV  # 1 2 3
        how = OpenHow(flags, 0, resolve)
        for _ in range(MAX_RETRIES):
            descriptor: int = self._syscall(
                ctypes.c_long(OPENAT2),
                ctypes.c_int(root),
                ctypes.c_char_p(path),
                ctypes.byref(how),
                ctypes.c_size_t(ctypes.sizeof(how)),
            )
            if descriptor >= 0:
                return descriptor, parts
            code = ctypes.get_errno()
            if code not in (errno.EAGAIN, errno.EINTR):
                raise OSError(code, os.strerror(code))
            time.sleep(0)
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))


class WalkingOpener:
    """Part by part with ``O_NOFOLLOW``; the only one that can follow links, which it resolves itself."""

    def __init__(self, *, follow_symlinks: bool = False) -> None:
        self._follow = follow_symlinks

    def open(self, root: int, parts: Parts, *, directory: bool = False) -> tuple[int, Parts]:
        """Each folder on the way is held by its own descriptor; ``..`` of a link goes back to one we hold."""
        mount = mount_of(root)
        with contextlib.ExitStack() as stack:
            folders, names = [root], list[bytes]()
            todo, links = list(reversed(parts)), 0
            while todo:
                part = todo.pop()
                if part == b"..":
                    if not names:
                        raise OSError(errno.EXDEV, "leaves the folder")  # 1
                    folders.pop()
                    names.pop()
                    continue
                target = read_link(part, folders[-1]) if self._follow else None
                if target is not None:
                    links += 1
                    todo.extend(reversed(target))
                    if links > MAX_LINKS:
                        raise OSError(errno.ELOOP, "too many links")
                    continue
                if not todo:
                    flags = FILE_FLAGS | os.O_NOFOLLOW | (os.O_DIRECTORY if directory else 0)  # 2 4
                    descriptor = os.open(part, flags, dir_fd=folders[-1])
                    return keep_within(descriptor, mount), (*names, part)
                folder = keep_within(os.open(part, PART_FLAGS, dir_fd=folders[-1]), mount)  # 2
                stack.callback(os.close, folder)
                folders.append(folder)
                names.append(part)
            if not directory:
                raise OSError(errno.EISDIR, "is a folder")
            return os.open(b".", FILE_FLAGS | os.O_DIRECTORY, dir_fd=folders[-1]), tuple(names)


def read_link(part: bytes, folder: int) -> Parts | None:
    """Where a symbolic link leads, as parts; None when it is none. An absolute target is refused."""
    try:
        target = os.readlink(part, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.EINVAL:
            return None
        raise
    if target.startswith(b"/"):
        raise OSError(errno.EXDEV, "leaves the folder")  # 1
    return tuple(step for step in target.split(b"/") if step not in (b"", b"."))


def keep_within(descriptor: int, mount: tuple[int, str]) -> int:
    """The descriptor again; closed and refused when it lies on another mount (3)."""
    try:
        if mount_of(descriptor) == mount:
            return descriptor
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    raise OSError(errno.EXDEV, "crosses a mount point")


def mount_of(descriptor: int) -> tuple[int, str]:
    """Device and, where the system tells (Linux), the mount: a bind mount has the same device."""
    mount = ""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/self/fdinfo/{descriptor}").read_text().splitlines():
            if line.startswith("mnt_id:"):
                mount = line
    return os.fstat(descriptor).st_dev, mount


def choose_opener(root: int, *, follow_symlinks: bool) -> Opener:
    """The kernel's way where it exists and no link has to be followed, else the walk."""
    if follow_symlinks:
        return WalkingOpener(follow_symlinks=True)
    try:
        opener = KernelOpener()
        os.close(opener.open(root, (), directory=True)[0])
    except (OSError, AttributeError):  # no such call here, or a sandbox forbids it
        return WalkingOpener()
    return opener
