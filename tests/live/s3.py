"""A server on loopback that keeps objects as S3 does: signed requests, conditional and multipart puts, ranges, lists.

Paths and XML: https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations.html
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape, unescape

ACCESS_KEY = "AKIDTEST"


class S3Server:
    """Buckets in memory. ``create_only`` refuses puts that could overwrite. ``start`` and ``stop`` keep the port;
    ``lose_answers`` stores that many puts and then hangs up, ``refuse`` stores none of that many; ``objects`` are names
    (``bucket/key``) and bodies, ``puts`` what was asked for, ``gets`` what was read."""

    def __init__(self, *, create_only: bool = True) -> None:
        self.create_only = create_only
        self.objects: dict[str, bytes] = {}
        self.times: dict[str, datetime] = {}
        self.parts: dict[str, dict[int, bytes]] = {}  # of uploads that are not complete
        self.puts: list[str] = []
        self.gets: list[str] = []
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

    @property
    def name(self) -> str:
        """``bucket/key``."""
        return unquote(urlsplit(self.path).path.removeprefix("/"))

    @property
    def query(self) -> dict[str, str]:
        """The first value of each."""
        return {key: values[0] for key, values in parse_qs(urlsplit(self.path).query, keep_blank_values=True).items()}

    def do_PUT(self) -> None:
        body = self._body()
        state, query = self.server_state, self.query
        if self._refused(body):
            self._answer(403)
        elif "uploadId" in query:
            state.parts[query["uploadId"]][int(query["partNumber"])] = body
            self._answer(200)
        else:
            self._put(body)

    def do_POST(self) -> None:
        body = self._body()
        state, query = self.server_state, self.query
        if self._refused(body):
            self._answer(403)
        elif "uploads" in query:
            number = str(len(state.parts) + 1)
            state.parts[number] = {}
            self._answer(200, _xml("InitiateMultipartUploadResult", f"<UploadId>{number}</UploadId>"))
        elif "delete" in query:
            keys = re.findall(r"<Key>([^<]*)</Key>", body.decode())
            for key in keys:
                state.objects.pop(f"{self.name.strip('/')}/{unescape(key)}", None)
            gone = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
            self._answer(200, _xml("DeleteResult", gone))
        else:
            parts = state.parts.pop(query["uploadId"])
            self._keep(b"".join(parts[number] for number in sorted(parts)))
            self._answer(200, _xml("CompleteMultipartUploadResult", "<ETag>&quot;1&quot;</ETag>"))

    def do_GET(self) -> None:
        state = self.server_state
        if self._refused(b""):
            self._answer(403)
        elif "list-type" in self.query:
            self._list()
        elif self.name not in state.objects:
            self._answer(404, _xml("Error", "<Code>NoSuchKey</Code>"))
        else:
            state.gets.append(self.name)
            self._answer(200, state.objects[self.name], state.times[self.name])

    def do_DELETE(self) -> None:
        if self._refused(b""):
            self._answer(403)
        else:
            self.server_state.objects.pop(self.name, None)
            self._answer(204)

    def log_message(self, format: str, *args: object) -> None:
        """Tests read ``puts``."""

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _refused(self, body: bytes) -> bool:
        signed = self.headers["Authorization"].startswith(f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/")
        said = self.headers["x-amz-content-sha256"]
        return not signed or said not in (hashlib.sha256(body).hexdigest(), "UNSIGNED-PAYLOAD")

    def _put(self, body: bytes) -> None:
        state = self.server_state
        state.puts.append(self.name)
        if state.create_only and self.headers["If-None-Match"] != "*":
            self._answer(400)
        elif self.headers["If-None-Match"] == "*" and self.name in state.objects:
            self._answer(412)
        elif state.refuse:
            state.refuse -= 1
            self._answer(503)
        else:
            self._keep(body)
            if state.lose_answers:
                state.lose_answers -= 1
                self.close_connection = True
            else:
                self._answer(200)

    def _keep(self, body: bytes) -> None:
        self.server_state.objects[self.name] = body
        self.server_state.times[self.name] = datetime.now(UTC)

    def _list(self) -> None:
        state, bucket = self.server_state, self.name.strip("/")
        start = f"{bucket}/{self.query.get('prefix', '')}"
        rows = [
            f"<Contents><Key>{escape(name.removeprefix(bucket + '/'))}</Key><Size>{len(state.objects[name])}</Size>"
            f"<LastModified>{state.times[name].strftime('%Y-%m-%dT%H:%M:%S.000Z')}</LastModified><ETag>1</ETag></Contents>"
            for name in sorted(state.objects)
            if name.startswith(start)
        ]
        self._answer(200, _xml("ListBucketResult", f"<IsTruncated>false</IsTruncated>{''.join(rows)}"))

    def _answer(self, status: int, body: bytes = b"", modified: datetime | None = None) -> None:
        self.send_response(status)
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", format_datetime(modified or datetime.now(UTC), usegmt=True))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _xml(name: str, inner: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?><{name}>{inner}</{name}>'.encode()


@contextmanager
def s3_server(*, create_only: bool = True) -> Iterator[S3Server]:
    """One that listens, and is gone afterwards."""
    server = S3Server(create_only=create_only)
    server.start()
    try:
        yield server
    finally:
        server.stop()
