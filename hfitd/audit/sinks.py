"""Copies of the audit log elsewhere: best effort, reported when they fall behind, never in the way of a request.

``file:/path`` appends to a file, ``stdout:`` prints, ``syslog:HOST:PORT`` sends RFC 5424 messages in UDP datagrams
(RFC 5426), ``syslog+tcp:HOST:PORT`` in a TCP stream with octet counts (RFC 6587), ``s3://bucket/prefix`` puts objects
(``objects``). A plain ``file:`` is the chain itself. A copy that lies off the host is what shows that the chain's end
was cut off.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from hfitd.audit.outbox import AT_ONCE, Batching, Sink, SinkRunner
from hfitd.errors import AuditUnavailable

_SOCKET_SECONDS = 2.0
_PRIORITY = 13 * 8 + 5  # facility "log audit", severity "notice"; RFC 5424, section 6.2.1
_SYSLOG = re.compile(r"syslog(?P<tcp>\+tcp)?:(?P<host>\[[^\]]+\]|[^:\[\]]+):(?P<port>[0-9]{1,5})")


class FileSink:
    """Appends to a file of mode 0600; opened again for each line, so that it may be rotated away."""

    def __init__(self, path: str) -> None:
        self._path = path

    @property
    def batching(self) -> Batching:
        """See Sink."""
        return AT_ONCE

    def send(self, lines: Sequence[bytes]) -> None:
        """See Sink."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self._path, flags, 0o600)
        try:
            size, rest = os.fstat(descriptor).st_size, memoryview(b"".join(lines))
            try:
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
            except OSError:  # a line is whole or not there: the next one would be read as its end
                os.ftruncate(descriptor, size)
                raise
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Nothing is held open."""


class StdoutSink:
    """Prints to the standard output of the process."""

    @property
    def batching(self) -> Batching:
        """See Sink."""
        return AT_ONCE

    def send(self, lines: Sequence[bytes]) -> None:
        """See Sink."""
        sys.stdout.buffer.write(b"".join(lines))
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

    @property
    def batching(self) -> Batching:
        """See Sink."""
        return AT_ONCE

    def send(self, lines: Sequence[bytes]) -> None:
        """See Sink."""
        for line in lines:
            self._send_message(line)

    def close(self) -> None:
        """See Sink."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send_message(self, line: bytes) -> None:
        time = datetime.now(UTC).isoformat(timespec="microseconds")
        message = f"<{_PRIORITY}>1 {time}{self._head}".encode() + line.rstrip(b"\n")
        if self._tcp:
            message = str(len(message)).encode() + b" " + message
        try:
            self._connected().sendall(message)
        except OSError:
            self.close()
            raise

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


def make_sinks(
    names: Sequence[str], instance: str, boot: str, on_dropped: Callable[[str, int], None], *, plaintext: bool
) -> list[SinkRunner]:
    """The sinks of ``[audit] sinks``; AuditUnavailable for a name that means none.

    ``plaintext`` lets an object store be spoken to without encryption beyond this machine.
    """
    made = [
        (name.partition(":")[0], _make_sink(name, instance, boot, plaintext=plaintext))
        for name in names
        if name != "file:"
    ]
    return [SinkRunner(name, sink, on_dropped) for name, sink in made]


def _make_sink(name: str, instance: str, boot: str, *, plaintext: bool) -> Sink:
    if name == "stdout:":
        return StdoutSink()
    if name.startswith("file:/"):
        return FileSink(name.removeprefix("file:"))
    if name.startswith("s3://"):
        return _make_s3_sink(name, instance, boot, plaintext=plaintext)
    match = _SYSLOG.fullmatch(name)
    if match is None or not 0 < int(match["port"]) < 65536:
        raise AuditUnavailable(
            "An audit sink is one of file:, file:/path, stdout:, syslog:HOST:PORT, syslog+tcp:HOST:PORT and "
            "s3://bucket/prefix.",
            resource="audit.sinks",
        )
    return SyslogSink(match["host"].strip("[]"), int(match["port"]), tcp=bool(match["tcp"]), instance=instance)


def _make_s3_sink(name: str, instance: str, boot: str, *, plaintext: bool) -> Sink:
    try:
        from hfitd.audit.objects import S3Sink  # noqa: PLC0415 - an extra: only who names s3: needs its library
    except ImportError as error:
        raise AuditUnavailable(
            "The audit sink s3: needs one more library: pip install 'hot-fixture-tool[server,s3]'.",
            resource="audit.sinks",
        ) from error
    return S3Sink(name, instance=instance, boot=boot, plaintext=plaintext, environ=os.environ)
