"""Checking the chain, offline, with nothing but the files and the public key.

Found and named by the number of the first bad record: removal, change, repetition, reordering, segments missing or
swapped, a cut end as far as the newest checkpoint beside the chain or a witness reaches. A witness is a line that a
sink took off the host. Not found: records lost from the very end after the last checkpoint (at most a thousand, or
60 seconds) and a whole older folder put back, unless a witness has seen what is gone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hfitd.audit.chain import BrokenLine, Position, checkpoint_position, first_position, follow
from hfitd.audit.segments import SEGMENT_NAME, head_position, segment_numbers, segment_path
from hfitd.errors import AuditUnavailable


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong: which file, the number of the first bad record, and how it is bad."""

    file: str
    seq: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}: record {self.seq} {self.reason}"


@dataclass(frozen=True, slots=True)
class AuditReport:
    """The result: how many records of how many instances were followed, and the first problem of each chain."""

    instances: tuple[str, ...]
    records: int
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def verify_audit(directory: Path, public_key: Ed25519PublicKey, *, witnesses: Iterable[str] = ()) -> AuditReport:
    """Follow every chain in the folder; AuditUnavailable when the folder cannot be read. Blocks; use a thread."""
    try:
        matches = [SEGMENT_NAME.fullmatch(path.name) for path in directory.iterdir()]
        names = {match["instance"] for match in matches if match}
        names |= {path.stem for path in directory.glob("*.checkpoint")}
        seen = _read_witnesses(witnesses)
        names |= set(seen)
        walks = [_Walk(directory, name, public_key, seen.get(name, {})) for name in sorted(names)]
        for walk in walks:
            walk.run()
    except OSError as error:
        raise AuditUnavailable("The audit folder cannot be read.") from error
    problems = tuple(walk.problem for walk in walks if walk.problem is not None)
    return AuditReport(tuple(sorted(names)), sum(walk.position.seq for walk in walks), problems)


class _Walk:
    """One chain, from its first record to its first problem or its end."""

    def __init__(self, directory: Path, instance: str, key: Ed25519PublicKey, witnesses: dict[int, str]) -> None:
        self._directory = directory
        self._instance = instance
        self._key = key
        self._witnesses = witnesses
        self._recent: dict[int, bytes] = {}
        self._kept_line, self._kept_seq = b"", 0
        self._before_last = self._last = 0  # what the two newest checkpoints of the chain cover
        self.position = first_position(instance)
        self.problem: Problem | None = None

    def run(self) -> None:
        """Fill in ``problem`` and ``position``."""
        file = ""
        try:
            kept = self._kept_checkpoint()
            numbers = segment_numbers(self._directory, self._instance)
            for expected, number in enumerate(numbers, start=1):
                file = segment_path(self._directory, self._instance, number).name
                if number != expected:
                    raise BrokenLine(f"is missing: the segment before this one, number {expected}, is gone")
                self._follow_segment(number)
            self._check_end(kept)
        except BrokenLine as error:
            self.problem = Problem(file or f"{self._instance}.checkpoint", self.position.seq + 1, str(error))

    def _follow_segment(self, number: int) -> None:
        with segment_path(self._directory, self._instance, number).open("rb") as lines:
            for index, line in enumerate(lines):
                if not line.endswith(b"\n"):
                    raise BrokenLine("is cut in its middle")
                text = line[:-1]
                if index == 0 and head_position(text, self._instance, number) != self.position:
                    raise BrokenLine("is missing: this segment does not continue the one before it")
                self._follow_line(text)

    def _follow_line(self, text: bytes) -> None:
        following, record = follow(self.position, text)
        if record.get("kind") == "checkpoint":
            covered = checkpoint_position(self._key, self._instance, record)
            self._before_last, self._last = self._last, covered.seq
            if self._recent.get(covered.seq) != covered.digest:
                raise BrokenLine("is a checkpoint of another chain")
        witness = self._witnesses.pop(following.seq, None)
        if witness is not None and witness != following.digest.hex():
            raise BrokenLine("is not the one that a witness has seen")
        if following.seq == self._kept_seq and text + b"\n" != self._kept_line:
            raise BrokenLine("is not the newest checkpoint as it was kept")
        self.position = following
        self._recent[following.seq] = following.digest
        self._recent.pop(following.seq - 8, None)  # a checkpoint covers the record just before it or before a head
        if self._kept is not None and self._kept.seq == following.seq and self._kept != following:
            raise BrokenLine("follows a record that the newest checkpoint does not know")

    def _kept_checkpoint(self) -> Position | None:
        path = self._directory / f"{self._instance}.checkpoint"
        self._kept: Position | None = None
        try:
            self._kept_line = path.read_bytes()
            fields = json.loads(self._kept_line)
            self._kept = checkpoint_position(self._key, self._instance, fields)
            self._kept_seq = int(fields["seq"])
            self._witnesses.setdefault(self._kept_seq, str(fields["hash"]))
        except FileNotFoundError:
            return None
        except (KeyError, ValueError, TypeError, RecursionError) as error:
            raise BrokenLine("cannot be vouched for: the newest checkpoint is damaged") from error
        return self._kept

    def _check_end(self, kept: Position | None) -> None:
        if self._before_last > (kept.seq if kept is not None else 0):
            raise BrokenLine("cannot be vouched for: the newest checkpoint is gone, or an older one was put back")
        if kept is not None and kept.seq > self.position.seq:
            raise BrokenLine(f"is missing at the end: a checkpoint has seen record {kept.seq}")
        if self._witnesses:
            raise BrokenLine(f"is missing at the end: a witness has seen record {max(self._witnesses)}")


def _read_witnesses(lines: Iterable[str]) -> dict[str, dict[int, str]]:
    seen: dict[str, dict[int, str]] = {}
    for line in lines:
        start = line.find("{")  # a syslog header may stand before the record
        try:
            record = json.loads(line[start:]) if start >= 0 else {}
            seen.setdefault(str(record["instance"]), {})[int(record["seq"])] = str(record["hash"])
        except (ValueError, KeyError, TypeError, RecursionError):
            continue  # a line of something else
    return seen
