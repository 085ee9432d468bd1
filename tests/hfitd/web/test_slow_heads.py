"""Attack case H01: connections that take their time, against a listener with a short patience."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hfitd.app import open_gateway
from hfitd.config.load import load_config
from hfitd.observe.observer import Observer
from hfitd.web.server import WebServer
from tests.live.daemon import Daemon
from tests.live.world import small_config

PATIENCE_SECONDS = 1.0


@pytest.fixture
async def port(tmp_path: Path, chinook_sqlite: Path) -> AsyncIterator[int]:
    """A listener of this process."""
    (tmp_path / "files").mkdir()
    config = load_config(Daemon(tmp_path, small_config(tmp_path, chinook_sqlite)).config, os.environ)
    async with open_gateway(config, Observer()) as (door, _):
        server = WebServer(door, head_timeout_seconds=PATIENCE_SECONDS, body_timeout_seconds=PATIENCE_SECONDS)
        await server.start()
        yield server.port
        await server.stop()


async def trickle(port: int, data: bytes) -> bytes:
    """Send one byte every tenth of a second until the other side has enough; what it said."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for position in range(len(data)):
            writer.write(data[position : position + 1])
            await writer.drain()
            await asyncio.sleep(0.1)
        return b"never closed"
    except ConnectionError:
        return b""
    finally:
        writer.transport.abort()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def test_h01_heads_that_trickle_in_are_cut_and_others_are_served_meanwhile(port: int) -> None:
    slow = [asyncio.create_task(trickle(port, b"GET /health HTTP/1.1\r\nX: " + b"a" * 80)) for _ in range(50)]
    silent = await asyncio.open_connection("127.0.0.1", port)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    assert set(await asyncio.gather(*slow)) == {b""}
    await asyncio.gather(silent[0].read(), return_exceptions=True)  # closed too: this returns
    writer.write(b"GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n")  # a connection kept alive is not a slow one
    assert b"package_format" in await reader.readuntil(b"package_format")
    for one in (writer, silent[1]):
        one.transport.abort()
        await asyncio.gather(one.wait_closed(), return_exceptions=True)


@pytest.mark.parametrize("framing", ["Content-Length: 9000", "Transfer-Encoding: chunked"])
async def test_h01_a_body_that_trickles_in_is_refused_and_its_connection_closed(port: int, framing: str) -> None:
    lines = ("POST /api/v1/auth/challenge HTTP/1.1", "Host: localhost", "Content-Type: application/json", framing)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write("\r\n".join([*lines, "", ""]).encode())

    async def send() -> None:
        while True:
            writer.write(b" " if "Length" in framing else b"1\r\n \r\n")
            await asyncio.sleep(0.1)

    sending = asyncio.create_task(send())
    answer = await asyncio.wait_for(reader.read(), 5)  # ends when the server closes
    sending.cancel()
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"did not arrive within 1 seconds" in answer
    writer.transport.abort()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)
