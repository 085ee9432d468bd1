"""A bundle of templates: one ``.tar.gz``, read in memory and never onto a disk (H07).

1. The compressed and the expanded size are capped while it is expanded, so that a small file cannot become a large one.
2. The archive is read header by header by the few lines below (POSIX ustar and pax), not by a general library.
3. Only regular files and folders; links, devices, sparse files and names in extended headers are refused.
4. Names are those a package could hold, end in ``.yaml`` or ``.yml``, and stand once.
5. It is complete: checksums fit, two empty blocks end it, nothing follows. Anything else: TemplateInvalid, TooLarge.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from hfitd.errors import TemplateInvalid, TooLarge
from hfitd.export.template.names import component_problem, fold
from hfitd.export.template.yaml_text import MAX_BYTES as MAX_FILE_BYTES

MAX_ARCHIVE_BYTES = 4 * 1024**2
MAX_EXPANDED_BYTES = 16 * 1024**2
MAX_FILES = 200
BLOCK = 512
REGULAR, FOLDER, EXTENDED = (b"0", b"\0"), b"5", (b"x", b"g")
CHANGING = re.compile(rb"^[0-9]+ (path|linkpath|size|hdrcharset|GNU\.sparse[^=]*)=", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Member:
    """One entry of the archive."""

    name: str
    kind: bytes
    data: bytes


def read_bundle(archive: bytes) -> list[tuple[str, str]]:
    """File name and text of every template in the bundle, in its order. All of it is fine, or nothing is given."""
    files: dict[str, tuple[str, str]] = {}
    for member in read_members(expand(archive)):
        if member.kind == FOLDER:
            check_name(member.name)
            continue
        name = check_name(member.name)
        if not name.lower().endswith((".yaml", ".yml")):
            raise fail("holds a file that does not end in .yaml or .yml", name)
        if fold(name) in files:  # 4
            raise fail("holds two files of one name", name)
        if len(files) >= MAX_FILES:
            raise TooLarge(f"A bundle has at most {MAX_FILES} templates.")
        try:
            files[fold(name)] = (name, member.data.decode())
        except UnicodeDecodeError as error:
            raise fail("holds a file that is not UTF-8 text", name) from error
    if not files:
        raise fail("holds no template")
    return list(files.values())


def fail(why: str, name: str | None = None) -> TemplateInvalid:
    """The error of a bundle."""
    return TemplateInvalid(f"The bundle {why}.", resource=name)


def expand(archive: bytes) -> bytes:
    """The tar inside the gzip (1)."""
    if len(archive) > MAX_ARCHIVE_BYTES:
        raise TooLarge(f"A bundle has at most {MAX_ARCHIVE_BYTES // 1024**2} MB.")
    inflater = zlib.decompressobj(wbits=31)
    try:
        data = inflater.decompress(archive, MAX_EXPANDED_BYTES + 1)
    except zlib.error as error:
        raise fail("is not a gzip file or is damaged") from error
    if len(data) > MAX_EXPANDED_BYTES:
        raise TooLarge(f"A bundle has at most {MAX_EXPANDED_BYTES // 1024**2} MB when it is expanded.")
    if not inflater.eof or inflater.unused_data:  # 5
        raise fail("is cut off, or something follows it")
    return data


def read_members(data: bytes) -> Iterator[Member]:
    """Files and folders in order; extended headers are looked at and left out."""
    position = 0
    while block := data[position : position + BLOCK]:
        if not any(block):  # 5
            if any(data[position:]) or len(data) - position < 2 * BLOCK:
                raise fail("does not end where its archive ends")
            return
        name, kind, size = read_header(block)
        if kind in REGULAR and size > MAX_FILE_BYTES:
            raise TooLarge(f"A template has at most {MAX_FILE_BYTES // 1024} KiB.", resource=shorten(name))
        start = position + BLOCK
        body = data[start : start + size]
        if len(body) < size or (size and kind == FOLDER):
            raise fail("is cut off")
        if kind in EXTENDED:
            if CHANGING.search(body):  # 3
                raise fail("has names or sizes in extended headers; use short plain names")
        elif kind in REGULAR or kind == FOLDER:
            yield Member(name, FOLDER if kind == FOLDER else b"0", body)
        else:
            raise fail("holds something that is neither a file nor a folder", shorten(name))  # 3
        position = start + -(-size // BLOCK) * BLOCK
    raise fail("is cut off")


def read_header(block: bytes) -> tuple[str, bytes, int]:
    """Name, kind and size of a header block. Format: POSIX.1-2001, pax, "ustar Interchange Format"."""
    stored = read_octal(block[148:156])
    if len(block) < BLOCK or sum(block[:148]) + sum(block[156:]) + 8 * 32 != stored:
        raise fail("is not a tar archive or is damaged")
    name = block[:100].split(b"\0", 1)[0]
    if block[257:263] == b"ustar\0":
        prefix = block[345:500].split(b"\0", 1)[0]
        name = prefix + b"/" + name if prefix else name
    try:
        return name.decode(), block[156:157], read_octal(block[124:136])
    except UnicodeDecodeError as error:
        raise fail("holds a name that is not UTF-8") from error


def read_octal(field: bytes) -> int:
    """A number as ustar writes it; no other notation is taken."""
    text = field.rstrip(b"\0 ").lstrip(b" ")
    if not re.fullmatch(rb"[0-7]{1,12}", text):
        raise fail("is not a tar archive or is damaged")
    return int(text, 8)


def check_name(name: str) -> str:
    """The name without a leading ``./``; refused unless every part of it could stand in a package (4)."""
    parts = [part for part in name.removeprefix("./").removesuffix("/").split("/") if part != "."]
    if name in (".", "./"):
        return ""
    for part in parts or [""]:
        problem = component_problem(part)
        if problem:
            raise fail(f"holds a name that is not allowed: {problem}", shorten(name))
    return "/".join(parts)


def shorten(name: str) -> str:
    """A name as a message may repeat it."""
    return "".join(char if char.isprintable() else "?" for char in name[:100])
