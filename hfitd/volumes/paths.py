"""What a caller may write as a path inside a volume, and which names are hidden.

1. Relative, parts joined by ``/``; no empty part, no ``.`` or ``..``, no NUL, within the system's limits.
2. Nothing that another decoder would read as such: percent codes, backslashes, look-alikes of the dot (F02).
3. ``~`` means nobody's home.
"""

from __future__ import annotations

import base64
import binascii
import os
import unicodedata
from urllib.parse import unquote

from hfitd.errors import PathRefused

MAX_PATH_BYTES = 4095
MAX_PART_BYTES = 255
DOTS = (".", "..")


def split_path(path: str) -> tuple[bytes, ...]:
    """The parts of a path as the file system takes them. PathRefused for anything else."""
    if "\0" in path:  # 1
        raise PathRefused("A path holds no NUL character.")
    for reading in readings(path):  # 2
        if any(part in DOTS for part in reading.replace("\\", "/").split("/")):
            raise PathRefused("A path has no . or .. parts, however they are written.")
    try:
        raw = path.encode()
    except UnicodeEncodeError as error:
        raise PathRefused("A path is valid Unicode; use the base64 form of the listing for other names.") from error
    return split_raw(raw)


def split_raw(raw: bytes) -> tuple[bytes, ...]:
    """The parts of a path of any bytes; the checks that need no text."""
    parts = tuple(raw.split(b"/"))
    if not raw or b"" in parts:  # 1
        raise PathRefused("A path is relative to the volume and has no empty part.")
    if b"\0" in raw or len(raw) > MAX_PATH_BYTES or any(len(part) > MAX_PART_BYTES for part in parts):
        raise PathRefused("A path has at most 4095 bytes, a part of it at most 255, and no NUL.")
    if b"." in parts or b".." in parts:
        raise PathRefused("A path has no . or .. parts.")
    if parts[0] == b"~":  # 3
        raise PathRefused("A path is relative to the volume, not to a home.")
    return parts


def decode_raw_path(text: str) -> tuple[bytes, ...]:
    """The parts of a path given as base64, as a listing shows names that are not UTF-8."""
    try:
        return split_raw(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError) as error:
        raise PathRefused("This is not the base64 form of a path.") from error


def shown_raw_path(text: str) -> str:
    """How a listing shows the path that is given as base64. PathRefused as ``decode_raw_path``."""
    return show_path(b"/".join(decode_raw_path(text)))[0]


def readings(path: str) -> set[str]:
    """The path and what sloppy readers would make of it."""
    found = {path}
    for _ in range(3):
        found |= {unicodedata.normalize("NFKC", text) for text in found} | {unquote(text) for text in found}
    return found


def show_path(raw: bytes) -> tuple[str, str]:
    """A path for people, and its base64 form when it is not UTF-8 (else '')."""
    try:
        return raw.decode(), ""
    except UnicodeDecodeError:
        return raw.decode(errors="replace"), base64.b64encode(raw).decode()


def is_hidden(part: bytes) -> bool:
    """Dot files, editors' backups and the file system's own folder (F11)."""
    return is_hidden_name(os.fsdecode(part))


def is_hidden_name(name: str) -> bool:
    """The same of a name as ``os`` gives it."""
    return name[:1] == "." or name[-1:] == "~" or name == "lost+found"


def has_extension(part: bytes, extensions: tuple[str, ...]) -> bool:
    """Whether the name, in lower case, ends as allowed and has something before the ending; no list allows all."""
    return name_has_extension(part.decode(errors="replace"), extensions)


def name_has_extension(name: str, extensions: tuple[str, ...]) -> bool:
    """The same of a name that is UTF-8."""
    lowered = name.lower()
    return not extensions or any(lowered.endswith(ending) and len(lowered) > len(ending) for ending in extensions)
