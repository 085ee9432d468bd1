"""Copies of the audit log elsewhere: best effort, reported when they fall behind, never in the way of a request.

``file:/path`` appends to a file, ``stdout:`` prints, ``syslog:HOST:PORT`` sends RFC 5424 messages in UDP datagrams
(RFC 5426), ``syslog+tcp:HOST:PORT`` in a TCP stream with octet counts (RFC 6587). A plain ``file:`` is the chain
itself. A copy that lies off the host is what shows that the chain's end was cut off.
"""

from __future__ import annotations

import os
import queue
import re
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from hfitd.errors import AuditUnavailable

_QUEUE_LINES = 10_000
_SOCKET_SECONDS = 2.0
_CLOSE_SECONDS = 3.0
_PRIORITY = 13 * 8 + 5  # facility "log audit", severity "notice"; RFC 5424, section 6.2.1
_SYSLOG = re.compile(r"syslog(?P<tcp>\+tcp)?:(?P<host>\[[^\]]+\]|[^:\[\]]+):(?P<port>[0-9]{1,5})")


class Sink(Protocol):
    """One place that takes lines. ``send`` may block for seconds and raise OSError."""

    def send(self, line: bytes) -> None:
        """Take one line, which ends with a newline."""

    def close(self) -> None:
        """Let go of the file or connection."""


class FileSink:
    """Appends to a file of mode 0600; opened again for each line, so that it may be rotated away."""

    def __init__(self, path: str) -> None:
        self._path = path

    def send(self, line: bytes) -> None:
        """See Sink."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self._path, flags, 0o600)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Nothing is held open."""


class StdoutSink:
    """Prints to the standard output of the process."""

    def send(self, line: bytes) -> None:
        """See Sink."""
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()

    def close(self) -> None:
        """Standard output is not ours to close."""


class SyslogSink:
    """Sends to a syslog server; over TCP it connects again after a failure."""

    def __init__(self, host: str, port: int, *, tcp: bool, instance: str) -> None:
        self._place = (host, port)
        self._tcp = tcp
        self._head = f" {socket.gethostname() or '-'} hfitd {os.getpid()} audit - {instance} "
        self._socket: socket.socket | None = None

    def send(self, line: bytes) -> None:
        """See Sink."""
        time = datetime.now(UTC).isoformat(timespec="microseconds")
        message = f"<{_PRIORITY}>1 {time}{self._head}".encode() + line.rstrip(b"\n")
        if self._tcp:
            message = str(len(message)).encode() + b" " + message
        try:
            self._connected().sendall(message)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """See Sink."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connected(self) -> socket.socket:
        if self._socket is None:
            if self._tcp:
                self._socket = socket.create_connection(self._place, timeout=_SOCKET_SECONDS)
            else:
                family, kind, protocol, _, address = socket.getaddrinfo(*self._place, type=socket.SOCK_DGRAM)[0]
                self._socket = socket.socket(family, kind, protocol)
                self._socket.settimeout(_SOCKET_SECONDS)
                self._socket.connect(address)
        return self._socket


class SinkRunner:
    """A thread and a bounded queue before one sink; what does not fit or fails is counted and reported."""

    def __init__(self, name: str, sink: Sink, on_dropped: Callable[[str, int], None]) -> None:
        self._name = name
        self._sink = sink
        self._on_dropped = on_dropped
        self._queue: queue.Queue[bytes | None] = queue.Queue(_QUEUE_LINES)
        self._thread = threading.Thread(target=self._serve, name=f"hfitd-audit-{name}", daemon=True)
        self._thread.start()

    @property
    def lag(self) -> int:
        """Lines that wait."""
        return self._queue.qsize()

    def put(self, lines: Sequence[bytes]) -> None:
        """Take lines without waiting."""
        dropped = 0
        for line in lines:
            try:
                self._queue.put_nowait(line)
            except queue.Full:
                dropped += 1
        if dropped:
            self._on_dropped(self._name, dropped)

    def close(self) -> None:
        """Give the sink a few seconds for what waits, then leave it."""
        try:
            self._queue.put(None, timeout=_CLOSE_SECONDS)
        except queue.Full:
            return
        self._thread.join(_CLOSE_SECONDS)

    def _serve(self) -> None:
        while (line := self._queue.get()) is not None:
            try:
                self._sink.send(line)
            except (OSError, ValueError):
                self._on_dropped(self._name, 1)
        self._sink.close()


def make_sinks(names: Sequence[str], instance: str, on_dropped: Callable[[str, int], None]) -> list[SinkRunner]:
    """The sinks of ``[audit] sinks``; AuditUnavailable for a name that means none."""
    made = [(name.partition(":")[0], _make_sink(name, instance)) for name in names if name != "file:"]
    return [SinkRunner(name, sink, on_dropped) for name, sink in made]


def _make_sink(name: str, instance: str) -> Sink:
    if name == "stdout:":
        return StdoutSink()
    if name.startswith("file:/"):
        return FileSink(name.removeprefix("file:"))
    match = _SYSLOG.fullmatch(name)
    if match is None or not 0 < int(match["port"]) < 65536:
        raise AuditUnavailable(
            "An audit sink is one of file:, file:/path, stdout:, syslog:HOST:PORT and syslog+tcp:HOST:PORT.",
            resource="audit.sinks",
        )
    return SyslogSink(match["host"].strip("[]"), int(match["port"]), tcp=bool(match["tcp"]), instance=instance)
