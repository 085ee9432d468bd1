"""Receiving a file piece by piece into a hidden part file, and going on where a broken connection stopped.

1. The part file and its record (ETag, package id, names) lie beside the target, so that a later run can go on too.
2. A further request carries Range and If-Range with the ETag that was seen first; an answer is appended only when it
   is 206, starts exactly where the part ends, and has that ETag. A 200 starts over. So two versions never mix.
3. The end is believed only when the framing of HTTP says so (``transport``), and the digest, if announced, fits.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote

from hfit.errors import AnswerMalformed, DigestMismatch, HfitClientError, NetworkFailed, NotFound, ServerFailed
from hfit.running_digest import RunningDigest
from hfit.transport import Response

PAUSES_SECONDS = (0.5, 1.0, 2.0, 4.0)
MAX_RECORD_BYTES = 65_536
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)/(\d+|\*)|\*/(\d+))")
_FILE_NAME = re.compile(r'filename="((?:[^"\\]|\\.)*)"|filename=([^;\s"]+)', re.I)
_ENCODED_FILE_NAME = re.compile(r"filename\*=UTF-8''([^;\s]+)", re.I)

Progress = Callable[[int, int | None], None]
"""Called with the bytes received so far and the total, if known."""


def silent(_: int, __: int | None) -> None:
    """Progress that nobody sees."""


@dataclass(frozen=True, slots=True)
class Record:
    """What has to be remembered of an answer to go on with it."""

    etag: str = ""
    package_id: str = ""
    disposition: str = ""
    digest: str = ""  # the Repr-Digest header
    cache: str = ""
    masked: str = ""  # the X-Hfit-Masked header

    @property
    def file_name(self) -> str:
        """The name the server proposes; not checked."""
        if encoded := _ENCODED_FILE_NAME.search(self.disposition):
            return unquote(encoded[1])
        found = _FILE_NAME.search(self.disposition)
        return re.sub(r"\\(.)", r"\1", found[1] or found[2] or "") if found else ""


class Source(Protocol):
    """Something that can be asked for, wholly or from a position on."""

    def start(self) -> Response:
        """Ask for all of it."""

    def resume(self, record: Record, headers: Mapping[str, str]) -> Response:
        """Ask for the rest, with Range headers; 404 and 416 come back as answers."""


class Listener(Protocol):
    """Hears of every byte of a part in order, once it is in the file; ``size`` is how many it has heard of."""

    size: int

    def update(self, data: bytes) -> None:
        """More bytes."""

    def restart(self, path: Path | None = None) -> None:
        """Forget everything, then take in what a file holds, if one is given."""


class PartFile:
    """The unfinished file of one request. ``key`` says which request, so that only the same one goes on with it."""

    def __init__(self, directory: Path, key: Sequence[object]) -> None:
        name = hashlib.sha256(json.dumps(key, default=str).encode()).hexdigest()[:16]
        self.lock_target = directory / f"hfit-{name}"
        self.path = directory / f".hfit-{name}.part"
        self._record_path = directory / f".hfit-{name}.part.json"

    def size(self) -> int:
        """Bytes received so far."""
        try:
            return self.path.lstat().st_size
        except FileNotFoundError:
            return 0

    def read_record(self) -> Record | None:
        """The record of an earlier run; None when there is none that can be gone on with."""
        if self.path.is_symlink() or self._record_path.is_symlink() or not self.path.exists():
            return None
        try:
            with self._record_path.open("rb") as file:
                fields = json.loads(file.read(MAX_RECORD_BYTES))
            record = Record(**{name: str(value) for name, value in fields.items()})
        except (OSError, ValueError, TypeError, AttributeError, RecursionError):
            return None
        return record if record.etag else None

    def begin(self, record: Record) -> None:
        """Start from nothing."""
        self.discard()
        self.path.touch(exist_ok=False)
        with self._record_path.open("x", encoding="utf-8") as file:  # nobody else's file, nor what a link names
            file.write(json.dumps(asdict(record)))

    def discard(self) -> None:
        """Remove everything."""
        self.path.unlink(missing_ok=True)
        self._record_path.unlink(missing_ok=True)

    def forget_record(self) -> None:
        """Remove the record once the file has gone elsewhere."""
        self._record_path.unlink(missing_ok=True)


def receive(
    source: Source,
    part: PartFile,
    progress: Progress,
    pauses_seconds: Sequence[float] = PAUSES_SECONDS,
    listener: Listener | None = None,
) -> tuple[Record, int]:
    """Fill ``part`` and give its record and the first answer's status; 304 leaves nothing. Goes on with an earlier run.
    ``listener`` has heard of the whole part in the end.

    After each broken connection it waits the next of ``pauses_seconds``; after the last, the error is raised and the
    part stays for the next run. What the server no longer has, as when it was killed while making it, is asked for
    anew.
    """
    record = part.read_record()
    response = _resume(source, part, record) if record else None
    if response is None:
        response = source.start()
    for pause in (*pauses_seconds, None):
        if response.status == 304:
            response.close()
            return Record(), 304
        try:
            with response:
                record = _store(response, part, progress, listener)
            return record, 200
        except NetworkFailed as error:
            record = part.read_record()
            if record is None or pause is None or isinstance(error, AnswerMalformed):
                raise
        response = _reconnect(source, part, record, pause)
    raise AssertionError("the loop returns or raises")


def _reconnect(source: Source, part: PartFile, record: Record, pause: float | None) -> Response:
    time.sleep(pause or 0)
    try:
        return _resume(source, part, record) or source.start()
    except (NetworkFailed, ServerFailed):
        time.sleep(4 * (pause or 0))
        return _resume(source, part, record) or source.start()


def _resume(source: Source, part: PartFile, record: Record) -> Response | None:
    """The rest of an earlier answer, or None when it has to be started again."""
    headers = {"Range": f"bytes={part.size()}-", "If-Range": record.etag}
    try:
        response = source.resume(record, headers)
    except NotFound:
        return None
    if response.status == 416 and _complete_size(response) == part.size():
        return response
    if response.status in (404, 416):
        response.close()
        part.discard()
        return None
    return response


def _store(response: Response, part: PartFile, progress: Progress, listener: Listener | None) -> Record:
    if response.status == 416:  # everything had arrived before the connection broke
        known = part.read_record()
        assert known is not None
        _cover(part, listener)
        return known
    if response.status == 206:
        record = _check_rest(response, part)
    else:
        record = _record(response)
        part.begin(record)
    _cover(part, listener)
    received = part.size()
    total = None if response.content_length is None else received + response.content_length
    with part.path.open("ab") as file:
        for piece in response.chunks():
            file.write(piece)
            if listener is not None:
                file.flush()
                listener.update(piece)
            received += len(piece)
            progress(received, total)
    return record


def _cover(part: PartFile, listener: Listener | None) -> None:
    """Make the listener cover what the part holds; it does already while one run goes on with its own part."""
    if listener is not None and listener.size != part.size():
        listener.restart(part.path)


def _check_rest(response: Response, part: PartFile) -> Record:
    """Step 2: the rest must be the rest of the same thing."""
    record = part.read_record()
    found = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
    starts = int(found[1]) if found and found[1] else -1
    if record is None or starts != part.size() or response.headers.get("etag", record.etag) != record.etag:
        part.discard()
        raise AnswerMalformed(
            "The server went on with something else than what it had begun.", suggestions=["Run the command again."]
        )
    return record


def _record(response: Response) -> Record:
    headers = response.headers
    return Record(
        etag=headers.get("etag", "") if not headers.get("etag", "").startswith("W/") else "",
        package_id=headers.get("x-hfit-package", ""),
        disposition=headers.get("content-disposition", ""),
        digest=headers.get("repr-digest", ""),
        cache=headers.get("x-hfit-cache", ""),
        masked=headers.get("x-hfit-masked", ""),
    )


def _complete_size(response: Response) -> int:
    found = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
    return int(found[4]) if found and found[4] else -1


def check_digest(digest: RunningDigest, header: str) -> bool:
    """Compare with a Repr-Digest header (RFC 9530); False when that has no SHA-256. Raises DigestMismatch."""
    found = re.search(r"(?:^|[,\s])sha-256=:([A-Za-z0-9+/=]+):", header)
    if not found:
        return False
    expected = b""
    with contextlib.suppress(binascii.Error):
        expected = base64.b64decode(found[1], validate=True)
    if digest.finish() != expected:
        raise digest_mismatch()
    return True


def digest_mismatch() -> HfitClientError:
    """The error of a file that is not what the server announced."""
    return DigestMismatch(
        "The file that arrived has another digest than the server announced; it was removed.",
        suggestions=["Run the command again."],
    )
