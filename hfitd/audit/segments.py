"""The files of a chain: ``<instance>-<number>.jsonl``, written by one process, continued after a crash.

Beside them lie ``<instance>.lock``, ``<instance>.reserve`` (room to say that the disk is full) and
``<instance>.checkpoint`` (the newest checkpoint, so that records cut from the end are missed). The first record of a
segment names the hash it continues and the begun operations that have not ended.

1. A record counts as written when ``fdatasync`` has returned. After a failure the file is cut back to the last such
   record, so what was refused never appears as done.
2. Before each append the file at the path must still be the one that is open, of the size we left, writable (D01).
3. At start a torn last line (a crash before it was acknowledged) is cut off and noted; anything else that does not
   follow the chain, or ends before the newest checkpoint, refuses the start (D03).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hfitd.audit.chain import BrokenLine, Position, checkpoint_position, first_position, follow, link
from hfitd.audit.disk import Disk
from hfitd.errors import AuditUnavailable

SEGMENT_NAME = re.compile(r"(?P<instance>[A-Za-z0-9_.-]+)-(?P<number>[0-9]{8})\.jsonl")
_BROKEN = "The audit log of this instance was changed or cut; nothing is given out before somebody looks."
_ADVICE = ["Run `hfitd audit verify`.", "Move the audit folder away to start a new chain."]


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a start found: operations that were begun and not ended, and the torn end that was cut off."""

    open: tuple[int, ...] = ()
    torn_size: int = 0
    torn_sha256: str = ""


class AuditProblem(Exception):
    """The log cannot be written now; the text says why in a few words without a path."""


class Segments:
    """The open end of a chain. Not thread-safe: one thread calls it. Make one with ``open``."""

    def __init__(self, directory: Path, instance: str, disk: Disk, max_bytes: int) -> None:
        self._directory = directory
        self._instance = instance
        self._disk = disk
        self._max_bytes = max_bytes
        self._lock = -1
        self._descriptor = -1
        self._path = directory
        self._place = ("", 0, 0)
        self._number = 0
        self._size = 0
        self._is_overlong = False
        self.position = first_position(instance)

    @classmethod
    def open(
        cls, directory: Path, instance: str, key: Ed25519PrivateKey, disk: Disk, max_bytes: int
    ) -> tuple[Segments, Recovered]:
        """Take up the chain where it ended; AuditUnavailable when it is in use, broken or cannot be written."""
        if re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", instance) is None:
            raise AuditUnavailable("The name of the instance has to be letters, digits, '.', '_' and '-'.")
        segments = cls(directory, instance, disk, max_bytes)
        try:
            segments._take_lock()
            recovered = segments._recover(key)
        except OSError as error:
            segments.close()
            raise AuditUnavailable("The audit folder cannot be written; check data_dir.") from error
        except BaseException:
            segments.close()
            raise
        return segments, recovered

    def append(self, records: list[dict[str, object]], open_begins: tuple[int, ...]) -> list[bytes]:
        """Make the records durable and return their lines; OSError or AuditProblem and nothing written."""
        self.check()
        if self._descriptor < 0 or self._size >= self._max_bytes:
            self._next_segment(open_begins)
        position, lines = self.position, []
        for record in records:
            position, line = link(position, record)
            lines.append(line)
        self._write(b"".join(lines))
        self.position = position
        return lines

    def check(self) -> None:
        """AuditProblem when the file at the path is no longer the one we write (2); OSError."""
        if self._descriptor < 0:
            return
        if self._is_overlong:
            self._cut_back()
        try:
            there = self._path.lstat()
        except OSError as error:
            raise AuditProblem("the file of the audit log is gone") from error
        ours = os.fstat(self._descriptor)
        if (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino):
            raise AuditProblem("the file of the audit log was replaced")
        if there.st_size != self._size:
            raise AuditProblem("the file of the audit log was changed")
        if not there.st_mode & stat.S_IWUSR or os.statvfs(self._directory).f_flag & os.ST_RDONLY:
            raise AuditProblem("the file of the audit log is read-only")

    def stands(self) -> bool:
        """Whether the file is still at its path and may be written, as far as can be seen without writing; from any
        thread."""
        path, device, inode = self._place
        try:
            there = os.lstat(path)
        except OSError:
            return False
        ours = (there.st_dev, there.st_ino) == (device, inode) and bool(there.st_mode & stat.S_IWUSR)
        return ours and os.access(path, os.W_OK)  # not on a file system that has become read-only

    def keep_checkpoint(self, line: bytes) -> None:
        """Put the newest checkpoint beside the chain as it stands there, whole or not at all; OSError."""
        path = self._directory / f"{self._instance}.checkpoint"
        draft = path.with_suffix(".new")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            self._disk.append(descriptor, line)
            self._disk.sync(descriptor)
        finally:
            os.close(descriptor)
        draft.replace(path)

    @property
    def reserve_path(self) -> Path:
        """The file that keeps room for the last words."""
        return self._directory / f"{self._instance}.reserve"

    def close(self) -> None:
        """Let go of the files."""
        for descriptor in (self._descriptor, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._descriptor = self._lock = -1

    def _write(self, data: bytes) -> None:
        try:
            self._disk.append(self._descriptor, data)
            self._disk.sync(self._descriptor)
        except OSError:
            self._is_overlong = True
            self._cut_back()
            raise
        self._size += len(data)

    def _cut_back(self) -> None:
        self._disk.cut(self._descriptor, self._size)  # 1
        self._is_overlong = False

    def _take_lock(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._directory / f"{self._instance}.lock"
        self._lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AuditUnavailable("Another process writes the audit log of this instance.") from error

    def _recover(self, key: Ed25519PrivateKey) -> Recovered:
        numbers = segment_numbers(self._directory, self._instance)
        checkpoint = _read_checkpoint(self._directory / f"{self._instance}.checkpoint", key, self._instance)
        torn = b""
        while numbers:
            path = segment_path(self._directory, self._instance, numbers[-1])
            content = path.read_bytes()
            whole = content[: content.rfind(b"\n") + 1]
            torn = content[len(whole) :] or torn
            if whole:
                return self._continue(path, numbers[-1], whole, torn, checkpoint)
            path.unlink()  # 3: a crash before the first record of a segment was acknowledged
            numbers.pop()
        if checkpoint is not None:
            raise AuditUnavailable(_BROKEN, suggestions=_ADVICE)  # 3
        return _recovered((), torn)

    def _continue(self, path: Path, number: int, whole: bytes, torn: bytes, checkpoint: Position | None) -> Recovered:
        try:
            position, begins = _read_segment(whole, self._instance, number, checkpoint)
        except BrokenLine as error:
            raise AuditUnavailable(_BROKEN, suggestions=_ADVICE) from error
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)
        self._disk.cut(self._descriptor, len(whole))  # 3
        self._path, self._number, self._size, self.position = path, number, len(whole), position
        self._remember_place()
        return _recovered(begins, torn)

    def _next_segment(self, open_begins: tuple[int, ...]) -> None:
        number = self._number + 1
        path = segment_path(self._directory, self._instance, number)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        head = segment_head(self._instance, number, self.position, open_begins)
        position, line = link(self.position, head)
        descriptor = os.open(path, flags, 0o600)
        try:
            self._disk.append(descriptor, line)
            self._disk.sync(descriptor)
            folder = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._path, self._number = descriptor, path, number
        self._size, self.position = len(line), position
        self._remember_place()

    def _remember_place(self) -> None:
        ours = os.fstat(self._descriptor)
        self._place = (str(self._path), ours.st_dev, ours.st_ino)


def segment_path(directory: Path, instance: str, number: int) -> Path:
    """Where the segment lies."""
    return directory / f"{instance}-{number:08d}.jsonl"


def segment_numbers(directory: Path, instance: str) -> list[int]:
    """The numbers of an instance's segments, in order."""
    matches = (SEGMENT_NAME.fullmatch(path.name) for path in directory.iterdir())
    return sorted(int(match["number"]) for match in matches if match and match["instance"] == instance)


def segment_head(instance: str, number: int, position: Position, open_begins: tuple[int, ...]) -> dict[str, object]:
    """The first record of a segment."""
    return {
        "kind": "segment",
        "instance": instance,
        "number": number,
        "continues": position.digest.hex(),
        "open": list(open_begins),
    }


def head_position(line: bytes, instance: str, number: int) -> Position:
    """What the first line of a segment says it continues; BrokenLine when it is not this segment's first."""
    try:
        head = json.loads(line)
        position = Position(int(head["seq"]) - 1, bytes.fromhex(head["continues"]))
        fits = (head["kind"], head["instance"], head["number"]) == ("segment", instance, number)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BrokenLine("is not the first record of this segment") from error
    if not fits:
        raise BrokenLine("is not the first record of this segment")
    return position


def _read_segment(
    whole: bytes, instance: str, number: int, checkpoint: Position | None
) -> tuple[Position, tuple[int, ...]]:
    """Follow a segment to its end; its position there and what is still open. BrokenLine."""
    lines = whole.split(b"\n")[:-1]
    position = head_position(lines[0], instance, number)
    begins: dict[int, None] = {}
    for line in lines:
        if checkpoint is not None and position.seq == checkpoint.seq and position != checkpoint:
            raise BrokenLine("is not what its checkpoint says")
        position, record = follow(position, line)
        note_open(begins, position.seq, record)
    if checkpoint is not None and position.seq <= checkpoint.seq and position != checkpoint:
        raise BrokenLine("is missing at the end")
    return position, tuple(begins)


def note_open(begins: dict[int, None], seq: int, record: dict[str, object]) -> None:
    """Keep account of operations that were begun and not ended."""
    kind = record.get("kind")
    if kind == "begin":
        begins[seq] = None
    elif kind == "segment" and isinstance(record.get("open"), list):
        begins.update(dict.fromkeys(record["open"]))  # type: ignore[call-overload]
    elif kind == "end" and isinstance(record.get("begin"), int):
        begins.pop(record["begin"], None)  # type: ignore[call-overload]


def _read_checkpoint(path: Path, key: Ed25519PrivateKey, instance: str) -> Position | None:
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        fields = json.loads(text)
        return checkpoint_position(key.public_key(), instance, fields)
    except (ValueError, TypeError, RecursionError, BrokenLine) as error:
        raise AuditUnavailable(_BROKEN, suggestions=_ADVICE) from error


def _recovered(begins: tuple[int, ...], torn: bytes) -> Recovered:
    digest = hashlib.sha256(torn).hexdigest() if torn else ""
    return Recovered(begins, len(torn), digest)
