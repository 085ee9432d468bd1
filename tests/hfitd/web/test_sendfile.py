"""Files past the transport: every byte arrives once and in order, also at readers that dawdle or leave."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from hfitd.errors import SourceChanged
from hfitd.web.sendfile import Sender, can_send_file

SIZE = 24 << 20


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large") / "file"
    path.write_bytes(random.Random(1).randbytes(SIZE))
    return path


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    threads = Sender()
    yield threads
    threads.close()


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[asyncio.StreamWriter, socket.socket]]:
    """A server's side of a connection, and the client's socket."""
    arrived: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()
    server = await asyncio.start_server(lambda _, writer: arrived.set_result(writer), "127.0.0.1", 0)
    client = socket.create_connection(server.sockets[0].getsockname())
    client.setblocking(False)
    writer = await arrived
    try:
        yield writer, client
    finally:
        client.close()
        writer.close()
        server.close()


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


async def take(client: socket.socket, count: int, piece: int) -> bytes:
    taken = bytearray()
    while len(taken) < count:
        data = await asyncio.get_running_loop().sock_recv(client, min(piece, count - len(taken)))
        assert data
        taken += data
    return bytes(taken)


@pytest.mark.parametrize(("start", "stop"), [(0, SIZE), (12_345, SIZE - 678)])
async def test_a_reader_gets_exactly_the_bytes_asked_for(sender: Sender, large: Path, start: int, stop: int) -> None:
    descriptor = os.open(large, os.O_RDONLY)
    async with connected() as (writer, client):
        assert can_send_file(writer.transport)
        sending = asyncio.create_task(sender.send(writer.transport, descriptor, start, stop))
        got = await take(client, stop - start, 100_000)
        await sending
    os.close(descriptor)
    assert hashlib.sha256(got).digest() == hashlib.sha256(large.read_bytes()[start:stop]).digest()


async def test_readers_that_take_nothing_hold_no_thread(sender: Sender, large: Path) -> None:
    descriptor = os.open(large, os.O_RDONLY)
    many = 40  # more than there are threads
    async with AsyncExitStack() as stack:
        idle = [await stack.enter_async_context(connected()) for _ in range(many)]
        sending = [
            asyncio.create_task(sender.send(writer.transport, descriptor, 0, SIZE)) for writer, _ in idle
        ]
        async with connected() as (writer, client):
            another = asyncio.create_task(sender.send(writer.transport, descriptor, 0, SIZE))
            assert await take(client, SIZE, 1 << 20) == large.read_bytes()
            await another
        assert not any(task.done() for task in sending)
        assert await take(idle[-1][1], SIZE, 1 << 20) == large.read_bytes()
        await sending[-1]
        for task in sending:
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)
    os.close(descriptor)


async def test_a_cancelled_download_closes_its_descriptors(sender: Sender, large: Path) -> None:
    descriptor = os.open(large, os.O_RDONLY)
    async with connected() as (writer, _):
        before = descriptors()
        sending = asyncio.create_task(sender.send(writer.transport, descriptor, 0, SIZE))
        await asyncio.sleep(0.01)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        while descriptors() - before:
            await asyncio.sleep(0.01)
    os.close(descriptor)


async def test_whatever_has_gone_is_told_also_of_a_cancelled_download(sender: Sender, large: Path) -> None:
    """So that nobody gets a file past the day's quota by leaving the moment it is there."""
    descriptor = os.open(large, os.O_RDONLY)
    for wanted in (1, 3 << 20, 9 << 20):
        told: list[int] = []
        async with connected() as (writer, client):
            sending = asyncio.create_task(sender.send(writer.transport, descriptor, 0, SIZE, told.append))
            got = len(await take(client, wanted, 1 << 20))
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            writer.close()
            while data := await asyncio.get_running_loop().sock_recv(client, 1 << 20):
                got += len(data)
        assert sum(told) == got
    os.close(descriptor)


async def test_a_client_that_leaves_is_a_broken_connection(sender: Sender, large: Path) -> None:
    descriptor = os.open(large, os.O_RDONLY)
    async with connected() as (writer, client):
        sending = asyncio.create_task(sender.send(writer.transport, descriptor, 0, SIZE))
        await take(client, 1000, 1000)
        client.close()
        with pytest.raises(ConnectionError):
            await sending
    os.close(descriptor)


async def test_f13_a_file_that_became_shorter_is_no_client_that_left(sender: Sender, tmp_path: Path) -> None:
    path = tmp_path / "short"
    path.write_bytes(b"short")
    descriptor = os.open(path, os.O_RDONLY)
    async with connected() as (writer, _):
        with pytest.raises(SourceChanged):
            await sender.send(writer.transport, descriptor, 0, 1000)
    os.close(descriptor)
