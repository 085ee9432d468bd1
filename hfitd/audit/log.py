"""The audit log: who got what, on disk before it is given.

1. ``begin`` returns only after the record is durable; the caller asks no database before that (R5, D04).
2. When it cannot be written ``begin`` and ``note`` raise AuditUnavailable and ``ready`` is False (D01, R6).
3. Every begin gets an end: from its caller, or "cancelled" when the caller was cancelled while it was being
   written, or "crashed" at the next start (D04).
4. Values never stand in a record, only their keyed digest.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hfitd.audit.disk import Disk
from hfitd.audit.keys import load_signing_key, load_value_key
from hfitd.audit.outbox import SinkRunner
from hfitd.audit.record import AuditRecord, TableCount, canonical, record_fields, shorten
from hfitd.audit.segments import AuditProblem, Recovered, Segments
from hfitd.audit.sinks import make_sinks
from hfitd.audit.writer import Submission, Writer
from hfitd.errors import AuditUnavailable

_SEGMENT_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class AuditToken:
    """A begun operation; ``id`` names it in log lines."""

    id: str
    seq: int
    started: float


@dataclass(frozen=True, slots=True)
class AuditNotice:
    """Something the operator should hear. ``kind`` is "ready", "not_ready" or "sink_dropped"; ``detail`` says why or
    which sink, ``records`` how many."""

    kind: str
    detail: str = ""
    records: int = 0


class AuditLog:
    """The chain of one instance. Make one with ``open``; use it from one event loop."""

    def __init__(
        self, writer: Writer, sinks: list[SinkRunner], value_key: bytes, instance: str, folder: Path
    ) -> None:
        self._on_written: Callable[[float], None] = lambda seconds: None
        self.folder = folder
        self.instance = instance
        self._writer = writer
        self._sinks = sinks
        self._value_key = value_key
        self._closed = False

    @classmethod
    async def open(
        cls,
        directory: Path,
        *,
        instance: str,
        keys_dir: Path,
        sinks: Sequence[str] = (),
        plaintext: bool = False,
        on_notice: Callable[[AuditNotice], None] | None = None,
        on_written: Callable[[float], None] = lambda seconds: None,
        disk: Disk | None = None,
        segment_bytes: int = _SEGMENT_BYTES,
    ) -> AuditLog:
        """Take up the chain in ``directory``; AuditUnavailable when it is broken, in use or cannot be written.

        ``on_notice`` is called in the event loop; so is ``on_written``, with the seconds that a record took, in the
        context of who wrote it. ``plaintext`` allows a sink that is an http:// server elsewhere.
        """
        loop = asyncio.get_running_loop()

        def notify(kind: str, detail: str = "", records: int = 0) -> None:
            if on_notice is not None:
                _call_soon(loop, on_notice, AuditNotice(kind, detail, records))

        def start() -> AuditLog:
            value_key = load_value_key(keys_dir)
            boot = secrets.token_hex(8)
            runners = make_sinks(
                sinks, instance, boot, lambda name, lost: notify("sink_dropped", name, lost), plaintext=plaintext
            )
            try:
                real = disk or Disk()
                key = load_signing_key(keys_dir)
                segments, recovered = Segments.open(directory, instance, key, real, segment_bytes)
                writer = _start_writer(
                    segments, recovered, key, instance, boot, runners=runners, notify=notify, disk=real
                )
            except BaseException:
                for runner in runners:
                    runner.close()
                raise
            return cls(writer, runners, value_key, instance, directory)

        log = await asyncio.to_thread(start)
        log._on_written = on_written
        return log

    @property
    def ready(self) -> bool:
        """Whether the last attempt to write succeeded."""
        return not self._closed and not self._writer.problem

    def stands(self) -> bool:
        """Whether what was begun may go on being given: the last attempt to write succeeded, and the file is where it
        was and may be written (D01)."""
        return not self._closed and self._writer.stands()

    @property
    def lag(self) -> int:
        """Records that the slowest sink has not taken yet."""
        return max((sink.lag for sink in self._sinks), default=0)

    def value_digest(self, text: str) -> str:
        """What stands for a value in a record: equal for equal values, useless to who has not the key (4)."""
        return "hmac:" + hmac.new(self._value_key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

    async def begin(self, record: AuditRecord) -> AuditToken:
        """Write that it is about to happen; AuditUnavailable, and then it must not happen."""
        started = time.monotonic()
        future = self._submit({"kind": "begin", **record_fields(record)})
        try:
            seq = await asyncio.shield(future)  # 1
        except asyncio.CancelledError:
            future.add_done_callback(self._end_unwanted)  # 3
            raise
        return AuditToken(f"{self.instance}-{seq}", seq, started)

    async def end(
        self,
        token: AuditToken,
        outcome: str,
        *,
        rows: int = 0,
        size: int = 0,
        package_digest: str = "",
        code: str = "",
        tables: Sequence[TableCount] = (),
        requests: Sequence[str] = (),
    ) -> None:
        """Write how it ended: "done", "failed", "refused", "cancelled" or "aborted_by_client", with the error's code.

        ``rows`` and ``size`` are what was given out, ``tables`` what of it came from where, ``requests`` the ids of the
        requests when there were several. The record is written even when the caller is cancelled meanwhile.
        AuditUnavailable.
        """
        fields: dict[str, object] = {
            "kind": "end",
            "begin": token.seq,
            "outcome": outcome,
            "rows": rows,
            "bytes": size,
            "seconds": round(time.monotonic() - token.started, 6),
        }
        counts = shorten([{"object": table.object, "rows": table.rows, "bytes": table.size} for table in tables])
        several = {"answers": len(requests), "requests": shorten(list(requests))}
        more = {"package_digest": package_digest, "code": code, "tables": counts, **several}
        await self._submit(fields | {name: value for name, value in more.items() if value})

    async def note(self, record: AuditRecord, outcome: str, *, code: str = "") -> None:
        """Write something that is over already: a refusal, a login, an admin's word, an alarm. AuditUnavailable."""
        fields = {"kind": "note", "outcome": outcome, **record_fields(record)}
        await self._submit(fields | ({"code": code} if code else {}))

    async def check(self) -> None:
        """AuditUnavailable when a record could not be written now; after a failure it tries one."""
        await self._submit(None)

    async def close(self) -> None:
        """Write what waits and a last checkpoint, and let go of the files."""
        if self._closed:
            return
        self._closed = True

        def stop() -> None:
            self._writer.stop()
            for sink in self._sinks:
                sink.close()

        await asyncio.to_thread(stop)

    def _submit(self, fields: dict[str, object] | None) -> asyncio.Future[int]:
        if self._closed:
            raise AuditUnavailable("The audit log is closed.")
        if fields is not None:
            canonical(fields)  # what cannot be spelled fails here, in its caller
        loop = asyncio.get_running_loop()
        future: asyncio.Future[int] = loop.create_future()
        if fields is not None:
            started = loop.time()
            future.add_done_callback(lambda _: self._on_written(loop.time() - started))

        def answer(seq: int, error: Exception | None) -> None:
            _call_soon(loop, _settle, future, seq, error)

        self._writer.submit(Submission(fields, answer))
        return future

    def _end_unwanted(self, begun: asyncio.Future[int]) -> None:
        if begun.cancelled() or begun.exception() is not None or self._closed:
            return
        fields: dict[str, object] = {"kind": "end", "begin": begun.result(), "outcome": "cancelled"}
        self._writer.submit(Submission(fields, lambda _seq, _error: None))


def _settle(future: asyncio.Future[int], seq: int, error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(seq)
    else:
        future.set_exception(error)


def _call_soon(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *args: object) -> None:
    try:
        loop.call_soon_threadsafe(function, *args)
    except RuntimeError:
        pass  # the loop has ended and nobody waits


def _start_writer(
    segments: Segments,
    recovered: Recovered,
    key: Ed25519PrivateKey,
    instance: str,
    boot: str,
    *,
    runners: list[SinkRunner],
    notify: Callable[[str, str], None],
    disk: Disk,
) -> Writer:
    def copy(lines: list[bytes]) -> None:
        for runner in runners:
            runner.put(lines)

    writer = Writer(
        segments,
        key=key,
        instance=instance,
        boot=boot,
        disk=disk,
        on_lines=copy,
        on_state=lambda problem: notify("not_ready" if problem else "ready", problem),
    )
    try:
        writer.start(recovered)
    except (OSError, AuditProblem) as error:
        segments.close()
        raise AuditUnavailable("The audit log cannot be written; look for a full disk.") from error
    return writer
