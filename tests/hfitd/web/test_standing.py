"""Who loses a right while an answer is being sent loses the connection (security design 5.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from hfitd.access.token_keys import TokenKeys
from hfitd.access.tokens import Tokens
from hfitd.audit.log import AuditLog
from hfitd.audit.tail import newest_records
from hfitd.gateway.core import Gateway
from hfitd.store.embedded import EmbeddedStore
from hfitd.store.users import StoredKey, Users
from hfitd.web.context import ACTOR, GATEWAY
from hfitd.web.standing import watched

ORIGIN = "https://hfitd.example"
PIECE = b"x" * 1000


@dataclass
class Door:
    """The parts of a gateway that the watch looks at, real ones, and a person with a token."""

    tokens: Tokens
    audit: AuditLog
    users: Users
    token: str
    folder: Path

    def noted(self) -> list[str]:
        """Actions on record."""
        return [str(record["action"]) for record in newest_records(self.folder, 100) if "action" in record]


@pytest_asyncio.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    store = await EmbeddedStore.open(tmp_path / "store.sqlite3")
    users = Users(store)
    key = StoredKey("ssh-ed25519 AAAA", "SHA256:k", "", "")
    user = await users.create("dev@x", [key], ["developer"])
    tokens = Tokens(TokenKeys.load(tmp_path / "keys"), users, store, ORIGIN, 900)
    audit = await AuditLog.open(tmp_path / "audit", instance="one", keys_dir=tmp_path / "keys")
    yield Door(tokens, audit, users, tokens.issue(user, "SHA256:k").text, tmp_path / "audit")
    await audit.close()
    await store.close()


@pytest_asyncio.fixture
async def url(door: Door) -> AsyncIterator[str]:
    """A server that sends a piece every 20 ms and looks at the person every 50 ms."""

    async def handler(request: web.Request) -> web.StreamResponse:
        request[ACTOR] = await door.tokens.verify(door.token)
        async with watched(request, door.tokens.claims_of(door.token), 0.05):
            response = web.StreamResponse()
            await response.prepare(request)
            for _ in range(int(request.query["pieces"])):
                await response.write(PIECE)
                await asyncio.sleep(0.02)
            await response.write_eof()
        return response

    app = web.Application()
    app[GATEWAY] = cast(Gateway, cast(Any, door))
    app.router.add_get("/", handler)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await runner.cleanup()


async def read(url: str, pieces: int) -> bytes:
    received = b""
    async with aiohttp.ClientSession() as session, session.get(f"{url}?pieces={pieces}") as response:
        async for chunk in response.content.iter_any():
            received += chunk
    return received


async def test_an_answer_goes_on_while_its_reader_keeps_every_right(url: str, door: Door) -> None:
    assert await read(url, 10) == PIECE * 10
    assert door.noted() == []


async def test_an_answer_is_cut_when_its_reader_loses_a_right(url: str, door: Door) -> None:
    reading = asyncio.create_task(read(url, 1000))
    await asyncio.sleep(0.12)
    await door.users.end_sessions("dev@x")
    with pytest.raises(aiohttp.ClientError):
        await asyncio.wait_for(reading, 5)
    assert door.noted() == ["access.ended"]
