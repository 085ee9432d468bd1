"""Nothing that one person asks for keeps the event loop from the others for a tenth of a second."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path

import pytest

from tests.live.daemon import MASK_KEY, Daemon, polite, role, running, sqlite_provider, volume
from tests.support.http import Api

RULES = f"""
[policy]
mask_key = "{MASK_KEY}"
[[policy.mask]]
columns = "*/*/t.email"
mask = "email"
[limits]
requests_per_minute = 100000
[[volumes.files.mask]]
files = "*.csv"
format = "csv"
columns = {{ email = "email" }}
"""
TEMPLATE = """hfitVersion: 1
templateName: all
packageName: all
exports:
  t.sql: {type: table-data, data: {dbms: shop, table: t}}
  f: {type: files, volume: files, filters: ["folder:d1"]}
"""


async def test_r15_listings_folders_masks_and_packages_leave_the_loop_free(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("CREATE TABLE t (id integer PRIMARY KEY, email text, filler text)")
        rows = ((number, f"p{number}@example.org", "x" * 50) for number in range(30_000))
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
    connection.close()
    for folder in range(10):
        (tmp_path / "files" / f"d{folder}").mkdir(parents=True)
        for number in range(500):
            (tmp_path / "files" / f"d{folder}" / f"{number}.log").write_bytes(b"line\n" * 20)
    lines = "".join(f"{number},p{number}@example.org\n" for number in range(40_000))
    (tmp_path / "files" / "people.csv").write_text("id,email\n" + lines)
    body = sqlite_provider("shop", tmp_path / "shop.db") + volume("files", tmp_path / "files") + RULES
    grants = ("rows:**", "files.list:**", "files.read:**", "template.run:*", "template.edit:*")
    with running(Daemon(tmp_path, body + role("dev", *grants))) as daemon:
        api = Api(daemon, daemon.add_person("ann@example.org", "dev"))
        assert (await api.put_template(TEMPLATE)).status == 201
        with polite(daemon):
            answers = await asyncio.gather(
                api.get("/files/files"),
                api.get("/files/files/download?recursive=1"),
                api.get("/files/files/download?path=people.csv"),
                api.get("/db/shop/main/t/rows"),
                api.package("all"),
            )
        assert [answer.status for answer in answers] == [200] * 5
        assert json.loads(answers[3].body.splitlines()[-1])["_end"]["rows"] == 30_000


def test_a_step_that_holds_the_loop_fails_the_test_that_looks(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, "")
    daemon.log.write_text('{"event": "loop_held", "cpu_seconds": 0.2}\n')
    with polite(daemon):
        assert daemon.log.exists()
    with pytest.raises(AssertionError, match="was held"), polite(daemon):
        daemon.log.write_text(daemon.log.read_text() + '{"event": "loop_held", "cpu_seconds": 0.3}\n')
