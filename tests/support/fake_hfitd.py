"""A whole gateway as the wire contract has it, in a thread, with every liberty a hostile one takes."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from hfit.credentials.ssh_wire import parse_public_key_line
from hfit.credentials.sshsig import LOGIN_NAMESPACE, verify_signature
from tests.support.package_writer import Package, PackageKey

Answer = Callable[["Handler"], None]


class FakeHfitd:
    """State of the gateway. ``hooks`` answers a ``(method, path)`` in another way than the contract says."""

    def __init__(self) -> None:
        self.email = "dev@example.com"
        self.keys: list[str] = []
        self.package_key = PackageKey()
        self.offered: list[dict[str, Any]] = [
            {
                "public_key": self.package_key.line,
                "fingerprint": self.package_key.fingerprint,
                "current": True,
                "endorsement": None,
            }
        ]
        self.claimed_origin: str | None = None
        self.nonces: dict[str, str] = {}
        self.tokens: set[str] = set()
        self.token_lifetime = 900
        self.templates: dict[str, str] = {"customer-case": "templateName: customer-case\n"}
        self.files: dict[str, bytes] = {"app/a.log": b"line\n" * 50_000, "app/b_42_.txt": b"b"}
        self.announce_digest = True
        self.rows = [{"id": 1, "email": "x1@masked"}, {"id": 2, "email": None}]
        self.package = Package(self.package_key)
        self.packages: dict[str, Package] = {}  # of templates that give another package
        self.compression = "gzip"
        self.breaks: list[int] = []  # cut the next package or file bodies after so many bytes
        self.hooks: dict[tuple[str, str], Answer] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.logins = 0
        self._archives: dict[str, bytes] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.fake = self  # type: ignore[attr-defined]
        self.origin = f"http://127.0.0.1:{self._server.server_address[1]}"

    @contextmanager
    def running(self) -> Iterator[FakeHfitd]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        thread.start()
        self.package.server = self.origin
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def seen(self, method: str, path: str) -> list[dict[str, str]]:
        """Headers of the requests to a path."""
        return [headers for m, p, headers in self.requests if (m, p) == (method, path)]

    def add_package(self, template: str, files: dict[str, bytes], name: str = "") -> Package:
        """A template with a package of its own."""
        package = Package(self.package_key, files=files, name=name or template, server=self.origin, template=template)
        self.packages[template] = package
        return package

    def archive(self, package: Package | None = None) -> tuple[str, bytes]:
        data = (package or self.package).archive(self.compression)
        package_id = hashlib.sha256(data).hexdigest()[:16]
        self._archives[package_id] = data
        return package_id, data

    def find_archive(self, package_id: str) -> bytes | None:
        return self._archives.get(package_id)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake: FakeHfitd

    def log_message(self, *_: object) -> None:
        pass

    def handle_one_request(self) -> None:
        self.fake = self.server.fake  # type: ignore[attr-defined]
        try:
            super().handle_one_request()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self.dispatch
        raise AttributeError(name)

    def dispatch(self) -> None:
        url = urlsplit(self.path)
        path = url.path.removeprefix("/api/v1")
        self.query = parse_qs(url.query)
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.fake.requests.append((self.command, unquote(path), dict(self.headers.items())))
        hook = self.fake.hooks.get((self.command, path))
        if hook is not None:
            hook(self)
            return
        if path.startswith("/auth/") and self.command == "POST" and path != "/auth/logout":
            (self.challenge if path == "/auth/challenge" else self.login)()
        elif self.headers.get("Authorization", "").removeprefix("Bearer ") not in self.fake.tokens:
            self.error(401, "AUTHENTICATION", "TOKEN_INVALID", "The token is not valid; log in again.")
        else:
            self.route([unquote(part) for part in path.strip("/").split("/")])

    # --- answers ---

    def send(self, status: int, body: bytes, kind: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def json(self, value: object, status: int = 200) -> None:
        self.send(status, json.dumps(value).encode())

    def error(self, status: int, category: str, code: str, message: str, **headers: str) -> None:
        body = {"category": category, "code": code, "message": message, "resource": None, "suggestions": ["Do this."]}
        self.send(status, json.dumps({**body, "timestamp": "now", "request_id": "r1"}).encode(), **headers)

    def not_found(self) -> None:
        self.error(404, "NOT_FOUND", "NOT_FOUND", "There is nothing here by that name.")

    def chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def chunked(self, pieces: list[bytes], **headers: str) -> None:
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in pieces:
            if piece:
                self.chunk(piece)
        self.chunk(b"")

    def hang_up(self) -> None:
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    # --- routes ---

    def challenge(self) -> None:
        nonce = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")
        self.fake.nonces[nonce] = json.loads(self.body)["email"]
        self.json({"nonce": nonce, "origin": self.fake.claimed_origin or self.fake.origin, "expires_in": 60})

    def login(self) -> None:
        asked = json.loads(self.body)
        self.fake.logins += 1
        email = self.fake.nonces.pop(asked["nonce"], None)
        key = parse_public_key_line(asked["public_key"])
        text = (
            f"hfit-login-v1\norigin={self.fake.origin}\nuser={email}\nkey={key.fingerprint}\nnonce={asked['nonce']}\n"
        )
        try:
            signer = verify_signature(text.encode(), asked["signature"].encode(), LOGIN_NAMESPACE)
        except ValueError:
            signer = None
        if email != self.fake.email or signer != key or key.line not in self.fake.keys:
            self.error(401, "AUTHENTICATION", "AUTH_FAILED", "Login failed.")
            return
        token = secrets.token_urlsafe(20)
        self.fake.tokens.add(token)
        self.json({"token": token, "expires_in": self.fake.token_lifetime, "package_keys": self.fake.offered})

    def route(self, parts: list[str]) -> None:
        fake = self.fake
        match (self.command, *parts):
            case ("GET", "auth", "whoami"):
                person = {"email": fake.email, "roles": ["developer"], "loans": []}
                self.json({**person, "key_fingerprint": "SHA256:x", "expires_in": 1})
            case ("POST", "auth", "logout"):
                fake.tokens.clear()
                self.send(204, b"")
            case ("GET", "package-keys"):
                self.json({"keys": fake.offered})
            case ("GET", "db", "dbmss"):
                self.json(["shop", "chinook"])
            case ("GET", "db", _, "dbs"):
                self.json(["main"])
            case ("GET", "db", _, _, "tables"):
                self.json(["public.customer"])
            case (_, "db", _, _, table, "rows"):
                self.send_rows() if table == "public.customer" else self.not_found()
            case ("GET", "db", _, _, table):
                self.json(describe(table)) if "customer" in table else self.not_found()
            case ("GET", "volumes"):
                self.json(["app_logs"])
            case ("GET", "files", "app_logs"):
                lines = [
                    {"name": p.rsplit("/")[-1], "path": p, "size": len(d), "modtime": 1, "isdir": False}
                    for p, d in fake.files.items()
                ]
                self.chunked([json.dumps(line).encode() + b"\n" for line in lines])
            case ("GET", "files", "app_logs", "download"):
                self.send_file()
            case ("POST", "packdownload"):
                self.send_package()
            case ("GET", "packages", package_id):
                data = fake.find_archive(package_id)
                self.ranged(
                    data, f'"{package_id}"', X_Hfit_Package=package_id
                ) if data is not None else self.not_found()
            case ("POST", "packplan"):
                self.json(plan(json.loads(self.body)["template_name"]))
            case (_, "packtmpl", *_) | (_, "packtmpl-bundle"):
                self.template_routes(parts)
            case _:
                self.not_found()

    def template_routes(self, parts: list[str]) -> None:
        fake, text = self.fake, self.body.decode("utf-8", "replace")
        name = parts[1] if len(parts) > 1 else (re.findall(r"templateName: (\S+)", text) or [""])[0]
        if parts[0] == "packtmpl-bundle":
            self.json([{"name": "customer-case", "result": "untouched" if "dry_run" in self.query else "updated"}])
        elif self.command == "POST" and parts[-1] == "share":
            self.json(template(name, fake.email) | {"state": "shared"})
        elif self.command == "POST" and not name:
            self.error(422, "VALIDATION_ERROR", "TEMPLATE_INVALID", "Line 1: templateName is missing.")
        elif self.command == "POST" and name in fake.templates and "dry_run" not in self.query:
            self.error(409, "VALIDATION_ERROR", "CONFLICT", "It exists already.")
        elif self.command in ("POST", "PUT"):
            if "dry_run" not in self.query:
                fake.templates[name] = text
            self.json(template(name, fake.email), 201)
        elif self.command == "GET" and len(parts) == 1:
            specs = {"name": "customer_id", "type": "text", "required": False, "default": None, "description": ""}
            self.json([template(name, fake.email) | {"parameters": [specs]} for name in fake.templates])
        elif name not in fake.templates:
            self.not_found()
        elif self.command == "PATCH":
            self.send(200, b"" if text == fake.templates[name] else b"--- a\n+++ b\n", "text/x-diff")
        elif self.command == "DELETE":
            del fake.templates[name]
            self.send(204, b"")
        else:
            self.send(200, fake.templates[name].encode(), "application/yaml")

    def send_rows(self) -> None:
        if "text/csv" in self.headers.get("Accept", ""):
            self.chunked([b"id,email\n", b"1,x1@masked\n"])
            return
        lines = [json.dumps(row).encode() + b"\n" for row in self.fake.rows]
        end = {"_end": {"rows": len(lines), "sha256": hashlib.sha256(b"".join(lines)).hexdigest()}}
        self.chunked([*lines, json.dumps(end, separators=(",", ":")).encode() + b"\n"])

    def send_file(self) -> None:
        path = self.query.get("path", ["app/a.log"])[0]
        data = self.fake.files.get(path)
        if data is None:
            self.not_found()
            return
        digest = hashlib.sha256(data).digest()
        extra = {"Repr_Digest": f"sha-256=:{base64.b64encode(digest).decode()}:"} if self.fake.announce_digest else {}
        name = path.rsplit("/", maxsplit=1)[-1]
        self.ranged(data, f'"{digest.hex()[:12]}"', Content_Disposition=f'attachment; filename="{name}"', **extra)

    def send_package(self) -> None:
        known = self.headers.get("X-Hfit-Known-Digest")
        package = self.fake.packages.get(json.loads(self.body)["template_name"], self.fake.package)
        package_id, data = self.fake.archive(package)
        manifest = json.loads(dict(package.members())["METADATA/manifest.json"])
        if known and known == manifest["package_digest"]:
            self.send(304, b"")
            return
        headers = {"ETag": f'"{package_id}"', "X_Hfit_Package": package_id, "X_Hfit_Cache": "miss"}
        if self.fake.breaks:
            self.send_response(200)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            cut = data[: self.fake.breaks.pop(0)]
            if cut:  # an empty chunk would be the end
                self.chunk(cut)
            self.hang_up()
            return
        self.chunked([data[i : i + 1000] for i in range(0, len(data), 1000)], **headers)

    def ranged(self, data: bytes, etag: str, **headers: str) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        status, start = 200, 0
        if wanted and self.headers.get("If-Range", etag) == etag:
            status, start = 206, int(wanted[1])
            if start >= len(data):
                self.send(416, b"{}", Content_Range=f"bytes */{len(data)}")
                return
            headers["Content_Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        body = data[start:]
        if self.fake.breaks:
            cut = body[: self.fake.breaks.pop(0)]
            self.send(status, cut, "application/octet-stream", ETag=etag, Content_Length=str(len(body)), **headers)
            self.hang_up()
            return
        self.send(status, body, "application/octet-stream", ETag=etag, **headers)


def template(name: str, owner: str) -> dict[str, object]:
    """A template as listings have it; its description is not harmless."""
    kept = {"description": "\x1b[31mred", "project": "", "digest": "d", "updated": "2026-01-31T12:00:00Z"}
    return {"name": name, "owner": owner, "state": "draft", **kept}


def describe(table: str) -> dict[str, object]:
    """A table of one column."""
    column = {"name": "id", "type": "integer", "nullable": False, "default": None, "generated": None, "identity": None}
    keys: dict[str, object] = {"primary_key": ["id"], "unique_keys": [], "foreign_keys": [], "estimated_rows": 7}
    return {"name": table, "kind": "table", "columns": [column | {"mask": None}], **keys}


def plan(name: str) -> dict[str, object]:
    """A plan with one table and one refusal."""
    table = {
        "table": "public.customer", "path": ["public.customer"], "columns": ["id", "email"], "estimated_rows": 7,
        "estimated_bytes": 70, "masks": {"email": "hash"}, "keys": [],
    }  # fmt: skip
    export = {
        "key": "a.sql", "type": "table-data", "provider": "shop", "database": "main", "volume": None,
        "tables": [table], "left_out": [], "requires": [], "refusals": ["Column x is not classified."],
    }  # fmt: skip
    return {
        "template": {"name": name, "digest": "d"}, "plan_digest": "ab", "policy_version": "p",
        "package_name": "case-42", "variables": {"cid": "42"}, "exports": [export], "approval": None,
    }  # fmt: skip
