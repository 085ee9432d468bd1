"""``AsyncClient``: every verb of the client, awaited, with its signature; the loop is never held up."""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
from pathlib import Path

import pytest

from hfit import AsyncClient, Client
from hfit.errors import NotFound
from hfit.governance import Governance
from tests.support.fake_hfitd import FakeHfitd

# Answers that are still being read belong to one thread; what they are for has an awaited verb.
OPEN = {"open", "open_file", "open_package", "reopen_package", "governance", "origin"}


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def test_every_verb_is_there_with_its_signature_and_words() -> None:
    wanted = (public(Client) - OPEN) | {name for name in public(Governance) if name != "gateway"}
    assert wanted == public(AsyncClient) - {"run", "close", "origin"}
    for name in wanted:
        original = getattr(Client, name, None) or getattr(Governance, name)
        mine = getattr(AsyncClient, name)
        assert inspect.signature(mine) == inspect.signature(original), name
        assert inspect.getdoc(mine) == inspect.getdoc(original)
        assert inspect.getdoc(mine), name


async def test_calls_run_beside_one_another_and_beside_the_loop(logged_in: FakeHfitd) -> None:
    together = threading.Barrier(4, timeout=30)

    def wait(handler: object) -> None:
        together.wait()  # passes only when four are here at once
        handler.json(["shop"])  # type: ignore[attr-defined]

    logged_in.hooks["GET", "/db/dbmss"] = wait
    async with AsyncClient() as client:
        found = await asyncio.gather(*(client.dbmss() for _ in range(4)))
        assert found == [["shop"]] * 4
        assert client.origin == logged_in.origin
        with pytest.raises(NotFound):
            await client.describe("shop", "main", "none")


async def test_rows_and_files_are_iterated_and_left_early(logged_in: FakeHfitd) -> None:
    logged_in.rows = [{"id": number, "email": None} for number in range(500)]
    async with AsyncClient(Client()) as client:
        rows = [json.loads(line)["id"] async for line in client.rows("shop", "main", "public.customer")]
        assert rows == list(range(500))
        some = client.rows("shop", "main", "public.customer", limit=5)
        assert json.loads(await anext(some))["id"] == 0
        await some.aclose()  # type: ignore[attr-defined]
        assert [entry["path"] async for entry in client.files("app_logs")] == list(logged_in.files)


async def test_a_package_comes_verifies_and_loads(logged_in: FakeHfitd, work: Path) -> None:
    async with AsyncClient() as client:
        done = await client.download_package("customer-case", {"customer_id": 42})
        report = await client.verify(done.path)
        assert report.manifest.package_digest == done.report.manifest.package_digest
