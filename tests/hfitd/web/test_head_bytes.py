"""Requests known by their bytes: however a stream of requests is cut, every answer comes in its place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

import pytest
import pytest_asyncio
from aiohttp import web

from hfitd.web.head_bytes import HeadBytes, bytes_of

INNER = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
REQUESTS = (
    INNER,
    b"GET /a HTTP/1.1\r\nHost: x\r\nX-A: b\r\n\r\n",
    b"GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 32\r\n\r\n%b----" % INNER,
    b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1c\r\n%b\r\n0\r\n\r\n" % INNER,
    b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n",
)


@dataclass
class Known:
    """What a server of this module knows: the answers to bytes that it answered before, and how often it used them."""

    answers: dict[tuple[str, bytes], bytes] = field(default_factory=dict)
    used: int = 0


def text_of(method: str, path: str, headers: object, body: bytes) -> bytes:
    return repr((method, path, headers, body)).encode()


@pytest_asyncio.fixture
async def served() -> AsyncIterator[tuple[int, Known]]:
    known = Known()

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        said = text_of(request.method, request.path, request.raw_headers, await request.read())
        data = bytes_of(request)
        if data is not None:
            peer = request.transport.get_extra_info("peername")[0] if request.transport else ""
            known.answers[peer, data] = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(said) + said
        return web.Response(body=said)

    def at_once(peer: str, data: bytes, transport: asyncio.Transport) -> bool:
        answer = known.answers.get((peer, data))
        if answer is None:
            return False
        known.used += 1
        transport.write(answer)
        return True

    class Listener(web.Server):
        def __call__(self) -> HeadBytes:
            return HeadBytes(self, at_once, loop=self._loop)

    server = Listener(handle)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    yield listening.sockets[0].getsockname()[1], known
    listening.close()
    await server.shutdown(1.0)


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def answer(reader: asyncio.StreamReader) -> bytes:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    return await reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r\n")[0]))


@pytest.mark.parametrize("seed", range(4))
async def test_h02_however_requests_are_cut_each_gets_the_answer_to_itself(
    served: tuple[int, Known], seed: int
) -> None:
    port, known = served
    alone = []
    for request in REQUESTS:
        async with connected(port) as (reader, writer):
            writer.write(request)
            alone.append(await answer(reader))
    known.answers.clear()
    async with connected(port) as (reader, writer):
        await ask_in_pieces(reader, writer, Random(seed), alone)
        for _ in range(6):
            writer.write(REQUESTS[0])
            assert await answer(reader) == alone[0]
    assert known.used >= 3
    assert {data for _, data in known.answers} <= {REQUESTS[0], REQUESTS[1], REQUESTS[5]}


async def ask_in_pieces(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chance: Random, alone: list[bytes]
) -> None:
    for _ in range(40):
        chosen = [chance.randrange(len(REQUESTS)) for _ in range(chance.choice((1, 1, 1, 2, 5)))]
        stream = b"".join(REQUESTS[number] for number in chosen)
        cuts = sorted(chance.randrange(len(stream)) for _ in range(chance.choice((0, 0, 0, 1, 3))))
        for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            writer.write(stream[start:stop])
            await asyncio.sleep(chance.choice((0, 0.002)))
        assert [await answer(reader) for _ in chosen] == [alone[number] for number in chosen]


async def test_h02_what_ends_or_changes_a_connection_is_never_known_by_its_bytes(served: tuple[int, Known]) -> None:
    port, known = served
    for more in (b"Connection: close", b"Connection: upgrade\r\nUpgrade: websocket", b"Content-Length: 2"):
        async with connected(port) as (reader, writer):
            writer.write(b"GET /a HTTP/1.1\r\nHost: x\r\n" + more + b"\r\n\r\n" + b"\r\n" * (b"Length" in more))
            assert await answer(reader)
    assert known.answers == {}
