"""A server on loopback that takes objects as S3 does: signed requests, conditional puts, objects that read whole."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ACCESS_KEY = "AKIDTEST"


class S3Server:
    """Buckets in memory. ``start`` and ``stop`` keep the port; ``lose_answers`` stores that many puts and then hangs
    up, ``refuse`` stores none of that many; ``objects`` are names (``bucket/key``) and bodies, ``puts`` what was
    asked for."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.puts: list[str] = []
        self.lose_answers = 0
        self.refuse = 0
        self.port = 0
        self._server: ThreadingHTTPServer | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to speak to this server."""
        return {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": "not-a-secret",
            "AWS_REGION": "eu-west-3",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
        }

    def start(self) -> None:
        """Listen."""
        owner = self

        class Handler(_Handler):
            server_state = owner

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def download(self, folder: str) -> bytes:
        """The objects below a folder in the order of their names, one after the other."""
        return b"".join(self.objects[name] for name in sorted(self.objects) if name.startswith(folder))


class _Handler(BaseHTTPRequestHandler):
    server_state: S3Server

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        name = self.path.removeprefix("/")
        state = self.server_state
        state.puts.append(name)
        signed = self.headers["Authorization"].startswith(f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/")
        if not signed or self.headers["x-amz-content-sha256"] != hashlib.sha256(body).hexdigest():
            self._answer(403)
        elif self.headers["If-None-Match"] != "*":
            self._answer(400)
        elif name in state.objects:
            self._answer(412)
        elif state.refuse:
            state.refuse -= 1
            self._answer(503)
        else:
            state.objects[name] = body
            if state.lose_answers:
                state.lose_answers -= 1
                self.close_connection = True
            else:
                self._answer(200)

    def log_message(self, format: str, *args: object) -> None:
        """Tests read ``puts``."""

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """One that listens, and is gone afterwards."""
    server = S3Server()
    server.start()
    try:
        yield server
    finally:
        server.stop()
