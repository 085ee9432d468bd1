"""The chain that makes a record's removal, change or move visible.

    h_0 = SHA256("hfitd-audit-v1" || instance)          h_i = SHA256(h_(i-1) || canonical(record i))

Every record carries its number and, beside the hashed fields, its hash. A checkpoint is a record with an Ed25519
signature over instance, number, hash and time of the record before it: whoever holds the files but not the key
cannot spell a changed chain again past a checkpoint, nor pass an old checkpoint off as a new one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from hfitd.audit.record import canonical

_DOMAIN = b"hfitd-audit-checkpoint-v1\n"


@dataclass(frozen=True, slots=True)
class Position:
    """The end of a chain: number and hash of its last record."""

    seq: int
    digest: bytes


def first_position(instance: str) -> Position:
    """Where the chain of an instance begins."""
    return Position(0, hashlib.sha256(b"hfitd-audit-v1" + instance.encode()).digest())


def link(position: Position, fields: Mapping[str, object]) -> tuple[Position, bytes]:
    """The next record as a line with its newline, and the position after it."""
    seq = position.seq + 1
    record = {**fields, "seq": seq}
    digest = hashlib.sha256(position.digest + canonical(record)).digest()
    return Position(seq, digest), canonical({**record, "hash": digest.hex()}) + b"\n"


class BrokenLine(Exception):
    """A line that is not the next record of the chain; the text says how."""


def follow(position: Position, line: bytes) -> tuple[Position, dict[str, object]]:
    """Read the line that must come next; BrokenLine."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BrokenLine("is no record") from error
    if not isinstance(record, dict) or type(record.get("seq")) is not int:
        raise BrokenLine("is no record")
    expected = position.seq + 1
    if record["seq"] > expected:
        raise BrokenLine(f"is missing: record {record['seq']} stands in its place")
    if record["seq"] < expected:
        raise BrokenLine(f"is missing: record {record['seq']} stands there again")
    claimed = record.pop("hash", None)
    del record["seq"]
    following, spelled = link(position, record)
    if claimed != following.digest.hex() or spelled != line + b"\n":
        raise BrokenLine("was changed or does not follow the record before it")
    return following, record


def sign_checkpoint(key: Ed25519PrivateKey, instance: str, position: Position, time: str) -> dict[str, object]:
    """The fields of a checkpoint of everything up to ``position``."""
    covered = {"covers": position.seq, "covers_hash": position.digest.hex(), "instance": instance, "time": time}
    signature = key.sign(_DOMAIN + canonical(covered))
    return {"kind": "checkpoint", **covered, "signature": base64.b64encode(signature).decode()}


def checkpoint_position(key: Ed25519PublicKey, instance: str, fields: Mapping[str, object]) -> Position:
    """What a checkpoint vouches for; BrokenLine when it is not this key's and this instance's."""
    try:
        covered = {name: fields[name] for name in ("covers", "covers_hash", "instance", "time")}
        signature = base64.b64decode(str(fields["signature"]), validate=True)
        key.verify(signature, _DOMAIN + canonical(covered))
        position = Position(int(str(covered["covers"])), bytes.fromhex(str(covered["covers_hash"])))
    except (KeyError, ValueError, binascii.Error, InvalidSignature) as error:
        raise BrokenLine("is a checkpoint whose signature is not valid") from error
    if covered["instance"] != instance:
        raise BrokenLine("is a checkpoint of another instance")
    return position
