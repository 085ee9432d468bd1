"""Which package keys this machine trusts: ``<config-dir>/known_servers`` and ``--key`` (contract 8.17, case C03).

1. The first login to a server pins the keys it lists, and says so.
2. Afterwards a new key counts only when a key that is already pinned signed it, directly or through a chain.
3. A server whose current key is neither pinned nor so endorsed is refused with both fingerprints; nobody is asked.
4. ``--key`` replaces the pins for one check.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hfit.credentials.private_files import write_private
from hfit.credentials.ssh_wire import PublicKey, parse_public_key_line
from hfit.credentials.sshsig import PACKAGE_KEY_NAMESPACE, verify_signature
from hfit.errors import AnswerMalformed, KeyUntrusted, PolicyRefused, UsageMistake

MAX_KNOWN_SERVERS_BYTES = 1 << 20
MAX_OFFERED_KEYS = 64


@dataclass(frozen=True, slots=True)
class Pin:
    """One trusted key of one server."""

    origin: str
    key: PublicKey
    first_seen: str = ""


@dataclass(frozen=True, slots=True)
class OfferedKey:
    """A package key as a server lists it. ``endorsement`` is the previous key's signature over ``line``."""

    key: PublicKey
    line: str
    current: bool
    endorsement: str | None


@dataclass(frozen=True, slots=True)
class Trust:
    """What may have signed a package: the pinned keys of its server or, when given, exactly ``fingerprints``."""

    pins: tuple[Pin, ...] = ()
    fingerprints: tuple[str, ...] = ()

    def check(self, key: PublicKey, origin: str) -> None:
        """Refuse a key that nobody vouched for, with what is known instead."""
        if self.fingerprints:  # 4
            if key.fingerprint in self.fingerprints:
                return
            known, source = self.fingerprints, "--key names"
        else:
            mine = [pin for pin in self.pins if pin.origin == origin]
            if any(pin.key == key for pin in mine):
                return
            known, source = tuple(pin.key.fingerprint for pin in mine), f"known_servers has for {origin}"
        raise KeyUntrusted(
            f"The package is signed by the key {key.fingerprint}, which is not trusted here.",
            reason=f"{source}: {', '.join(known)}." if known else f"No key of {origin} is known here.",
            suggestions=[
                "Log in to that server once (hfit login), or compare the fingerprint with `hfitd key show`",
                "and name it: hfit verify PATH --key FINGERPRINT",
            ],
        )


def known_servers_path(config_dir: Path) -> Path:
    """Where the pins lie."""
    return config_dir / "known_servers"


def read_pins(config_dir: Path) -> tuple[Pin, ...]:
    """All pins. Refuses a file that others may write, and a line it does not understand, by its number."""
    path = known_servers_path(config_dir)
    try:
        with path.open("rb") as file:
            if hasattr(os, "getuid") and os.fstat(file.fileno()).st_mode & 0o022:
                raise PolicyRefused(
                    f"{path} can be changed by other users.",
                    suggestions=[f"Run: chmod 600 {path}, and check its lines"],
                )
            text = file.read(MAX_KNOWN_SERVERS_BYTES).decode("utf-8", "replace")
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise UsageMistake(f"{path} cannot be read.", reason=error.strerror or "") from error
    lines = enumerate(text.splitlines(), start=1)
    return tuple(_parse_pin(path, number, line) for number, line in lines if line.strip() and line[0] != "#")


def _parse_pin(path: Path, number: int, line: str) -> Pin:
    fields = line.split()
    try:
        origin, key = fields[0], parse_public_key_line(" ".join(fields[1:3]))
    except (ValueError, IndexError) as error:
        raise UsageMistake(
            f"Line {number} of {path} is damaged.",
            reason="A line is '<origin> <key type> <base64> [first seen]'.",
            suggestions=["Remove the line and log in again."],
        ) from error
    return Pin(origin, key, fields[3] if len(fields) > 3 else "")


def parse_offered_keys(value: object) -> tuple[OfferedKey, ...]:
    """The package keys of an answer. Raises AnswerMalformed."""
    if not isinstance(value, list) or len(value) > MAX_OFFERED_KEYS:
        raise AnswerMalformed("The server's list of package keys is not a list.")
    return tuple(_parse_offered(item) for item in value)


def _parse_offered(item: object) -> OfferedKey:
    if not isinstance(item, Mapping) or not isinstance(item.get("public_key"), str):
        raise AnswerMalformed("The server's list of package keys is malformed.")
    endorsement = item.get("endorsement")
    try:
        key = parse_public_key_line(item["public_key"])
    except ValueError as error:
        raise AnswerMalformed("The server lists a package key that cannot be read.", reason=str(error)) from error
    return OfferedKey(
        key,
        item["public_key"].strip(),
        bool(item.get("current")),
        endorsement if isinstance(endorsement, str) else None,
    )


def learn_keys(config_dir: Path, origin: str, offered: Sequence[OfferedKey]) -> tuple[PublicKey, ...]:
    """Pin what may be pinned of a server's keys; returns the newly pinned. Refuses a changed key (steps 1 to 3)."""
    pins = read_pins(config_dir)
    known = [pin.key for pin in pins if pin.origin == origin]
    if known:
        learned = _endorsed(known, offered)  # 2
        current = [item.key for item in offered if item.current]
        if current and not any(key in known or key in learned for key in current):  # 3
            raise _changed(config_dir, origin, known, current)
    else:
        learned = list(dict.fromkeys(item.key for item in offered))  # 1
    if learned:
        today = dt.datetime.now(dt.UTC).date().isoformat()
        everything = [*pins, *(Pin(origin, key, today) for key in learned)]
        text = "".join(f"{pin.origin} {pin.key.line} {pin.first_seen}".rstrip() + "\n" for pin in everything)
        write_private(known_servers_path(config_dir), text.encode())
    return tuple(learned)


def _endorsed(known: Sequence[PublicKey], offered: Sequence[OfferedKey]) -> list[PublicKey]:
    learned: list[PublicKey] = []
    for _ in offered:  # each round can extend the chain by one key
        for item in offered:
            signer = _endorser(item)
            if signer is not None and item.key not in [*known, *learned] and signer in [*known, *learned]:
                learned.append(item.key)
    return learned


def _endorser(item: OfferedKey) -> PublicKey | None:
    if item.endorsement is None:
        return None
    try:
        return verify_signature(item.line.encode(), item.endorsement.encode(), PACKAGE_KEY_NAMESPACE)
    except ValueError:
        return None


def _changed(
    config_dir: Path, origin: str, known: Sequence[PublicKey], current: Sequence[PublicKey]
) -> KeyUntrusted:
    old = ", ".join(key.fingerprint for key in known)
    new = ", ".join(key.fingerprint for key in current)
    return KeyUntrusted(
        f"The package key of {origin} has changed.",
        reason=f"Pinned: {old}. Offered now, without a signature by a pinned key: {new}.",
        suggestions=[
            "Ask the server's operator whether the key was replaced (hfitd key show).",
            f"If so, remove the lines of {origin} from {known_servers_path(config_dir)} and log in again.",
        ],
    )


def trust_of(config_dir: Path, key: str | None = None) -> Trust:
    """Whom to trust: the pins of the configuration folder, or exactly ``key`` (a file or a fingerprint)."""
    if key is not None:
        return Trust(fingerprints=parse_key_argument(key))
    return Trust(read_pins(config_dir))


def parse_key_argument(argument: str) -> tuple[str, ...]:
    """``--key FILE|FINGERPRINT`` as fingerprints; a file holds public key lines, or lines of known_servers."""
    if argument.startswith("SHA256:"):
        return (argument,)
    try:
        text = Path(argument).read_text("utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise UsageMistake(
            f"--key {argument} is neither a fingerprint (SHA256:...) nor a readable file of public keys."
        ) from error
    found = []
    for line in text.splitlines():
        fields = line.split()
        for start in (0, 1):  # 1 skips the origin of a known_servers line
            try:
                found.append(parse_public_key_line(" ".join(fields[start : start + 2])).fingerprint)
                break
            except ValueError:
                continue
    if not found:
        raise UsageMistake(f"{argument} holds no public key line.")
    return tuple(found)
