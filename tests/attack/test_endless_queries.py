"""S28, S29: free queries that would never end, or be too broad: they fail on every engine and leave nothing behind."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from tests.attack.conftest import BROAD, PROVIDERS, Gate
from tests.live.daemon import Daemon

TEMPLATE = """hfitVersion: 1
templateName: {name}
packageName: {name}
exports:
  x.csv: {{type: database, provider: {provider}, query: "{query}"}}
"""
TWICE = "(SELECT 1 AS a UNION ALL SELECT 2) x"
ENDLESS = {
    "a recursion": "WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n FROM r) SELECT MAX(n) AS n FROM r",
    "a recursion that doubles": f"WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT r.n FROM r, {TWICE})"
    " SELECT MAX(n) AS n FROM r",
    "a recursion that shows rows": "WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n FROM r) SELECT n FROM r",
    "a cartesian product": "SELECT COUNT(*) AS n FROM t a, t b, t c, t d, t e, t f"
    " WHERE a.id + b.id + c.id + d.id + e.id + f.id < 0",
    "a pattern": "SELECT COUNT(*) AS n FROM t WHERE v {regex} '^(a+)+$'",
    "a pattern with back references": "SELECT COUNT(*) AS n FROM t WHERE v {regex} '^"
    + "(a*)" * 7 + "".join(rf"\\{number}" for number in range(1, 8)) + "[0-9]+$'",  # an even number of letters
}
HARMLESS = {
    ("pg", "a pattern"): "done",  # its engine does not go back for this one
    ("my", "a recursion"): "done",  # MariaDB stops after max_recursive_iterations
    ("my", "a recursion that shows rows"): "done",
    ("lite", "a pattern"): "SQL_REFUSED",  # SQLite has no such operator of its own
    ("lite", "a pattern with back references"): "SQL_REFUSED",
}


def ended(daemon: Daemon, key: str) -> list[dict[str, Any]]:
    """How the packages of a template ended, as the audit has it."""
    records = daemon.audit_records()
    begun = {r["seq"] for r in records if r["kind"] == "begin" and key in str(r)}
    return [r for r in records if r["kind"] == "end" and r["begin"] in begun and r.get("code")]


async def outcome(gate: Gate, name: str, what: str) -> str:
    """The code of the refusal or failure of a package that asks the query; "done" when it is whole."""
    key = f"endless-{name}-{list(ENDLESS).index(what)}"
    query = ENDLESS[what].replace("{regex}", "~" if name == "pg" else "RLIKE")
    assert (await gate.api.put_template(TEMPLATE.format(name=key, provider=name, query=query))).status == 201
    try:
        answer = await gate.api.package(key)
    except aiohttp.ClientError:  # the head had left, so only the connection could say it
        async with asyncio.timeout(10):
            while not (ends := ended(gate.daemon, key)):
                await asyncio.sleep(0.02)
        assert ends[0]["outcome"] == "failed"
        return str(ends[0]["code"])
    return "done" if answer.status == 200 else answer.code


@pytest.mark.parametrize("name", PROVIDERS)
async def test_s28_a_query_without_end_is_ended_and_nothing_of_it_goes_on(gate: Gate, name: str) -> None:
    async with asyncio.timeout(40):  # against a hang
        found = await asyncio.gather(*(outcome(gate, name, what) for what in ENDLESS))
    expected = {what: HARMLESS.get((name, what), "QUERY_TIMEOUT") for what in ENDLESS}
    assert dict(zip(ENDLESS, found, strict=True)) == expected
    if name in gate.servers:
        async with asyncio.timeout(5):
            while await asyncio.to_thread(gate.running, name):
                await asyncio.sleep(0.05)
    assert (await gate.api.get(f"/db/{name}/{gate.databases[name]}/t/rows?limit=1")).status == 200


@pytest.mark.parametrize("name", PROVIDERS)
async def test_s29_a_result_of_five_thousand_columns_is_refused_and_one_of_a_thousand_is_whole(
    gate: Gate, name: str
) -> None:
    for number, aliases in enumerate(("a", "abcde")):
        stars, tables = ", ".join(f"{one}.*" for one in aliases), ", ".join(f"broad {one}" for one in aliases)
        key, query = f"broad-{name}-{number}", f"SELECT {stars} FROM {tables}"
        assert (await gate.api.put_template(TEMPLATE.format(name=key, provider=name, query=query))).status == 201
    whole = await gate.api.package(f"broad-{name}-0", compression="none")
    assert f",c{BROAD - 1}".encode() in whole.body
    refused = await gate.api.package(f"broad-{name}-1")
    assert (refused.status, refused.code) == (400, "SQL_TOO_COMPLEX"), refused.body
