"""Looking for what must be nowhere: every file below a folder, archives unpacked, and every spelling of a value."""

from __future__ import annotations

import base64
import binascii
import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import redis as redis_client

from tests.live.servers import Server

_GZIP = b"\x1f\x8b"
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{24,}={0,2}")


def find_canary(data: bytes, needle: bytes) -> bool:
    """Whether the needle stands in the data: as it is, in any case, hex, percent-encoded, reversed or in base64."""
    spellings = (needle, needle.hex().encode(), quote(needle, safe="").encode(), needle[::-1])
    lowered = data.lower()
    if any(spelling.lower() in lowered for spelling in spellings):
        return True
    return any(needle.lower() in decoded.lower() for run in _BASE64.findall(data) for decoded in _decoded(run))


def _decoded(run: bytes) -> Iterator[bytes]:
    """What a run of base64 letters holds, wherever in it the value begins."""
    plain = run.rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
    for start in range(4):
        part = plain[start:]
        whole = part[: len(part) // 4 * 4]
        try:
            yield base64.b64decode(whole)
        except binascii.Error:  # pragma: no cover - every letter is of the alphabet and four make three bytes
            continue


def unpacked(data: bytes) -> bytes:
    """The data, and what gzip members it begins with hold; a damaged end is kept as far as it goes."""
    if not data.startswith(_GZIP):
        return data
    try:
        return data + gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        return data + zlib.decompressobj(31).decompress(data)


def files_with(folder: Path, needle: bytes, *, besides: tuple[Path, ...] = ()) -> list[Path]:
    """Files below the folder that hold the needle, those below ``besides`` left out."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file() or any(path.is_relative_to(other) for other in besides):
            continue
        if find_canary(unpacked(path.read_bytes()), needle):
            found.append(path)
    return found


def redis_keys_with(server: Server, needle: bytes) -> list[bytes]:
    """Keys of a Redis whose name or value holds the needle."""
    client = redis_client.Redis(host=server.host, port=server.port, password=server.password)
    try:
        return [key for key in client.scan_iter() if find_canary(key + b"\0" + (client.dump(key) or b""), needle)]
    finally:
        client.close()
