"""HTTP for the client: stdlib ``http.client``, one exchange per connection, and suspicion (cases C07, C09, C11).

1. TLS is verified against the system's authorities, 1.2 at least. Plain http goes to loopback only. Both can be
   switched off by ``--insecure`` or ``verify-ssl = false``, which warns every time.
2. Redirects are not followed: a token never travels to an address the user did not give.
3. Every wait is bounded: connecting, the time to the answer's headers as a whole, silence within a body, and the whole
   time of a short answer. Every size is bounded: headers by http.client, documents by a cap.
4. An answer must say where it ends, and end there. Encoded bodies were not asked for and are refused.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import urlencode, urlsplit

from hfit.errors import AnswerMalformed, ConnectionLost, NetworkFailed, RedirectRefused, UsageMistake
from hfit.text import visible
from hfit.version import VERSION

MAX_DOCUMENT_BYTES = 4 << 20
CHUNK_BYTES = 256 << 10
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a server is: scheme, host, port, normalised."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    @property
    def is_loopback(self) -> bool:
        """Whether the address is this very machine."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_origin(url: str) -> Origin:
    """Normalise a server URL: lower case, no default port. Refuses user names, paths and other schemes."""
    try:
        parts = urlsplit(url.strip())
        host, port = (parts.hostname or "").encode("idna").decode(), parts.port
    except (ValueError, UnicodeError) as error:
        raise _bad_url(url) from error
    extra = parts.username is not None or parts.path not in ("", "/") or parts.query or parts.fragment
    if parts.scheme not in _DEFAULT_PORTS or not host or extra or any(c in host for c in "%/\\ "):
        raise _bad_url(url)
    with contextlib.suppress(ValueError):
        host = str(ipaddress.ip_address(host))
    return Origin(parts.scheme, host, _DEFAULT_PORTS[parts.scheme] if port is None else port)


def _bad_url(url: str) -> UsageMistake:
    return UsageMistake(
        f"'{visible(url, limit=200)}' is not a server URL.",
        reason="It is https://HOST or https://HOST:PORT, without a user name and without a path.",
        suggestions=["Run: hfit config set server-url https://hfit.example.com"],
    )


class _Deadline:
    """Ends a connection when its time is over, also against a server that sends one byte a second (step 3)."""

    def __init__(self) -> None:
        self._timer: threading.Timer | None = None
        self.socket: socket.socket | None = None
        self.passed = False

    def start(self, seconds: float) -> None:
        self.stop()
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self) -> None:
        self.passed = True
        if self.socket is not None:
            with contextlib.suppress(OSError):
                # not SSLSocket's own method: that would take the TLS state away from the reading thread
                socket.socket.shutdown(self.socket, socket.SHUT_RDWR)


class Response:
    """An answer whose body has not been read yet. Use as a context manager: leaving it closes the connection."""

    def __init__(
        self, raw: http.client.HTTPResponse, connection: http.client.HTTPConnection, deadline: _Deadline, timeout: float
    ) -> None:
        self._raw, self._connection, self._deadline, self._timeout = raw, connection, deadline, timeout
        self.status = raw.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in raw.getheaders()}
        self.content_length = raw.length

    def __enter__(self) -> Response:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Drop the connection, read or not."""
        self._deadline.stop()
        self._raw.close()
        self._connection.close()

    def chunks(self) -> Iterator[bytes]:
        """The body in pieces of at most 256 KiB. NetworkFailed when it ends too early (step 4) or goes silent."""
        if not self._raw.chunked and self._raw.length is None:
            raise AnswerMalformed("The server does not say where its answer ends, so it cannot be told to be whole.")
        while True:
            try:
                piece = self._raw.read1(CHUNK_BYTES)  # unlike read, it hands out what came before a break
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise self._broken(error) from error
            if piece:
                yield piece
                continue
            if self._deadline.passed or self._raw.length:  # 4: fewer bytes than Content-Length
                raise self._broken(None)
            return

    def read(self, limit: int = MAX_DOCUMENT_BYTES) -> bytes:
        """The whole body of a short answer; AnswerMalformed above ``limit`` bytes, NetworkFailed when it dribbles."""
        self._deadline.start(self._timeout)
        parts, size = [], 0
        for piece in self.chunks():
            parts.append(piece)
            size += len(piece)
            if size > limit:
                raise AnswerMalformed(f"The server's answer is longer than {limit} bytes; it was not read further.")
        self._deadline.stop()
        return b"".join(parts)

    def _broken(self, error: Exception | None) -> NetworkFailed:
        if self._deadline.passed or isinstance(error, TimeoutError):
            return _too_slow(self._timeout)
        return NetworkFailed(
            "The connection broke before the answer was complete.",
            suggestions=["Run the same command again; downloads go on where they stopped."],
        )


class Transport:
    """Opens exchanges with one server. ``timeout_seconds`` bounds every wait; ``warn`` gets one line for a person."""

    def __init__(
        self, origin: Origin, *, timeout_seconds: float, verify_tls: bool, warn: Callable[[str], None]
    ) -> None:
        if origin.scheme == "http" and not origin.is_loopback:
            if verify_tls:
                raise _plain_http(origin)
            warn(f"{origin} is plain http: anybody on the way can read and change what you get (--insecure).")
        elif origin.scheme == "https" and not verify_tls:
            warn(f"The certificate of {origin} is not checked: it could be anybody (--insecure or verify-ssl = false).")
        self.origin = origin
        self.timeout_seconds = timeout_seconds
        self._verify_tls = verify_tls

    def exchange(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | list[str]] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        first_byte_seconds: float | None = None,
    ) -> Response:
        """Send one request and wait for the answer's headers. Redirects are refused here (step 2).

        ``first_byte_seconds`` is for requests that the server works on before it answers.
        """
        target = path + ("?" + urlencode(query, doseq=True) if query else "")
        connection = self._connection()
        deadline = _Deadline()
        waiting = max(self.timeout_seconds, first_byte_seconds or 0)
        try:
            connection.connect()
            deadline.socket = connection.sock
            deadline.start(waiting)
            deadline.socket.settimeout(waiting)
            connection.request(method, target, body=body, headers=self._headers(headers))
            raw = connection.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as error:
            deadline.stop()
            connection.close()
            raise self._unreachable(error, deadline, waiting) from error
        deadline.stop()
        with contextlib.suppress(OSError):
            deadline.socket.settimeout(self.timeout_seconds)
        response = Response(raw, connection, deadline, self.timeout_seconds)
        self._judge(response)
        return response

    def _connection(self) -> http.client.HTTPConnection:
        host, port, timeout = self.origin.host, self.origin.port, self.timeout_seconds
        if self.origin.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=timeout)
        context = ssl.create_default_context()  # 1
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if not self._verify_tls:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection(host, port, timeout=timeout, context=context)

    @staticmethod
    def _headers(extra: Mapping[str, str] | None) -> dict[str, str]:
        return {"User-Agent": f"hfit/{VERSION}", "Accept-Encoding": "identity", "Connection": "close", **(extra or {})}

    def _judge(self, response: Response) -> None:
        if 300 <= response.status < 400 and response.status != 304:  # 2
            response.close()
            raise RedirectRefused(
                "The server redirects, and hfit does not follow.",
                reason=f"From {self.origin} to {visible(response.headers.get('location', 'nowhere'), limit=200)}.",
                suggestions=["If the server has moved, give its new address with --server-url."],
            )
        if response.headers.get("content-encoding", "identity").lower() != "identity":  # 4
            response.close()
            raise AnswerMalformed("The server compressed an answer that was asked for as it is.")

    def _unreachable(self, error: Exception, deadline: _Deadline, waiting: float) -> NetworkFailed:
        if deadline.passed or isinstance(error, TimeoutError):
            return _too_slow(waiting)
        if isinstance(error, ssl.SSLCertVerificationError):
            return NetworkFailed(
                f"The certificate of {self.origin} is not valid.",
                reason=visible(error.verify_message),
                suggestions=["Have the certificate corrected, or set SSL_CERT_FILE to your organisation's authority."],
            )
        if isinstance(error, ssl.SSLError):
            return NetworkFailed(f"No secure connection to {self.origin}.", reason=visible(error.reason or error))
        if isinstance(error, OSError):
            kind = ConnectionLost if isinstance(error, ConnectionResetError | BrokenPipeError) else NetworkFailed
            return kind(
                f"{self.origin} does not answer.",
                reason=visible(error.strerror or error),
                suggestions=["Check the address (hfit config show) and that the server runs."],
            )
        return AnswerMalformed(f"{self.origin} does not speak HTTP as it should.", reason=visible(error, limit=200))


def _too_slow(seconds: float) -> NetworkFailed:
    return NetworkFailed(
        f"The server took longer than {seconds:g} seconds.",
        suggestions=["Try again, or allow more time: hfit config set timeout 120"],
    )


def _plain_http(origin: Origin) -> UsageMistake:
    return UsageMistake(
        f"{origin} is plain http; that is accepted for this machine only.",
        reason="Tokens and data would travel readable.",
        suggestions=["Use https://, or accept the risk for one command with --insecure."],
    )
