"""HTTP as tests speak it: one call, one answer; and raw bytes on a socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from tests.live.daemon import Daemon, Person


@dataclass(frozen=True)
class Answer:
    """A response that was read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The error's code."""
        return str(self.json["code"])


class Api:
    """The routes below ``/api/v1`` (or ``root`` paths with a leading ``//``) as one person, or as nobody."""

    def __init__(self, daemon: Daemon, person: Person | None = None) -> None:
        self.daemon = daemon
        self.person = person
        self.headers = person.bearer if person is not None else {}

    def url(self, path: str) -> URL:
        """``//health`` is at the root, everything else below the base."""
        full = self.daemon.origin + (path[1:] if path.startswith("//") else f"/api/v1{path}")
        return URL(full, encoded=True)

    async def request(self, method: str, path: str, **options: Any) -> Answer:
        """One request on a connection of its own. Raises aiohttp.ClientError."""
        async with self.opened(method, path, **options) as response:
            return Answer(response.status, response.headers.copy(), await response.read())

    @contextlib.asynccontextmanager
    async def opened(self, method: str, path: str, **options: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        """A request whose answer is still to be read."""
        headers = {**self.headers, **options.pop("headers", {})}
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(method, self.url(path), headers=headers, allow_redirects=False, **options) as response,
        ):
            yield response

    async def get(self, path: str, **headers: str) -> Answer:
        """GET."""
        return await self.request("GET", path, headers=headers)

    async def post(self, path: str, document: object, **headers: str) -> Answer:
        """POST of a JSON document."""
        return await self.request("POST", path, json=document, headers=headers)

    async def put_template(self, text: str) -> Answer:
        """Keep a template."""
        return await self.request("POST", "/packtmpl", data=text.encode(), headers={"Content-Type": "application/yaml"})

    async def package(self, name: str, *parameters: object, **more: object) -> Answer:
        """Download a package."""
        return await self.post(
            "/packdownload", {"template_name": name, "parameters": [str(p) for p in parameters], **more}
        )


async def gauges(daemon: Daemon, names: Sequence[str]) -> dict[str, float]:
    """The metrics of these names, each with its labels as ``/metrics`` writes them."""
    lines = (await Api(daemon).get("//metrics")).body.decode().splitlines()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(number) for name, _, number in pairs if name.partition("{")[0] in names}


@contextlib.asynccontextmanager
async def raw_connection(daemon: Daemon) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A plain connection, aborted at the end of the block; it buffers little more than its reader is asked for."""
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.setblocking(False)
    await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", daemon.port))
    reader, writer = await asyncio.open_connection(sock=plain, limit=2048)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def send_raw(daemon: Daemon, data: bytes, seconds: float = 5.0) -> bytes:
    """What the server says to these bytes until it closes the connection or is silent for a while."""
    received = b""
    async with raw_connection(daemon) as (reader, writer):
        with contextlib.suppress(TimeoutError, ConnectionResetError, BrokenPipeError):
            writer.write(data)
            while chunk := await asyncio.wait_for(reader.read(65536), seconds):
                received += chunk
    return received
