"""What one instance spends on each kind of request: ``python -m benchmarks.capacity`` writes ``capacity.json``.

Processor time of the daemon and of Redis is counted, not the time on the clock, so that a machine that is busy with
other work gives nearly the same figures. ``scaling.py`` computes with them, docs/scaling.md says what follows.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import sqlite3
import sys
import tempfile
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from redis import Redis

from benchmarks.measure import peak_rss, tree_cpu
from hfitd.store.redis import RedisStore
from tests.live import redis
from tests.live.daemon import Daemon, Person, redis_store, role, running, sqlite_provider
from tests.live.servers import Server

OUT = Path(__file__).parent / "capacity.json"
ROWS = 20_000
FILLED = 200_000
LISTED = 1_000
ROUNDS = 5
TEMPLATE = """hfitVersion: 1
templateName: case
packageName: case
parameters:
  first: {type: integer, required: true}
exports:
  orders.sql: {type: table-data, data: {dbms: shop, table: orders, filter: "customer = ${first}"}}
"""


@dataclass
class Site:
    """A daemon with a Redis of its own, and somebody logged in."""

    daemon: Daemon
    store: Server
    person: Person

    def ask(self, path: str, document: object = None) -> int:
        """One request; the size of its answer."""
        body = None if document is None else json.dumps(document).encode()
        headers = {**self.person.bearer, "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.daemon.origin}/api/v1{path}", body, headers)
        with urllib.request.urlopen(request, timeout=120) as answer:
            return len(answer.read())

    def info(self, name: str) -> float:
        """A number of Redis about itself."""
        return float(self.client().info("everything")[name])

    def client(self) -> Redis:
        """A connection of our own to the store."""
        return Redis(self.store.host, self.store.port, password=self.store.password)

    def audit_bytes(self) -> int:
        """Size of the chain."""
        return sum(path.stat().st_size for path in (self.daemon.data / "audit").glob("*.jsonl"))

    def cost(self, count: int, act: Callable[[int], object]) -> dict[str, float]:
        """What one of ``count`` acts takes: seconds of both processors, commands, bytes of the audit log."""
        act(-1)
        before = tree_cpu(self.daemon.pid), self.redis_cpu(), self.info("total_commands_processed"), self.audit_bytes()
        for number in range(count):
            act(number)
        after = tree_cpu(self.daemon.pid), self.redis_cpu(), self.info("total_commands_processed"), self.audit_bytes()
        daemon, store, commands, audit = ((b - a) / count for a, b in zip(before, after, strict=True))
        return {"cpu": daemon, "redis_cpu": store, "redis_commands": commands, "audit_bytes": audit}

    def redis_cpu(self) -> float:
        """Seconds of processor that Redis has used."""
        return self.info("used_cpu_sys") + self.info("used_cpu_user")


def make_database(path: Path) -> None:
    """A table of orders."""
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE orders (id integer PRIMARY KEY, customer integer, note text)")
        rows = ((n, n % 100, f"order {n} " + "x" * 80) for n in range(ROWS))
        connection.executemany("INSERT INTO orders VALUES (?, ?, ?)", rows)
    connection.close()


def fill(site: Site) -> dict[str, float]:
    """What Redis pays for a look through all keys and for a listing, each for a key, and the memory of a record."""
    before = site.info("used_memory")
    script = "for i = 1, ARGV[1] do redis.call('HSET', 'r:{filler}:' .. i, 'v', string.rep('x', 300), 'n', i) end"
    site.client().eval(script, 0, FILLED)
    memory = (site.info("used_memory") - before) / FILLED
    started = site.redis_cpu()
    for _ in range(ROUNDS):
        assert not list(site.client().scan_iter(match="hfit:r:{nobody}*", count=1000))  # as the store mends its index
    scanned = (site.redis_cpu() - started) / ROUNDS / FILLED
    return {
        "scan_cpu_per_key": scanned,
        "listed_cpu_per_key": asyncio.run(_list(site)) / ROUNDS / LISTED,
        "bytes_per_record": memory,
    }


async def _list(site: Site) -> float:
    """Processor seconds of Redis for listing so many instances so often."""
    store = await RedisStore.open(site.store.url("0"))
    for number in range(LISTED):
        await store.write(f"instance:bench{number}", b"2")
    started = site.redis_cpu()
    for _ in range(ROUNDS):
        assert len(await store.keys("instance:bench")) == LISTED
    await store.close()
    return site.redis_cpu() - started


def measure(site: Site) -> dict[str, object]:
    """Everything, in the order of the pages of docs/scaling.md."""
    case = {"template_name": "case", "compression": "gzip"}
    found: dict[str, object] = {
        "login": site.cost(40, lambda _: site.daemon.login(site.person)),
        "small call": site.cost(300, lambda _: site.ask("/auth/whoami")),
        "kept package": site.cost(200, lambda _: site.ask("/packdownload", {**case, "parameters": [1]})),
        "new package": site.cost(60, lambda n: site.ask("/packdownload", {**case, "parameters": [10 + n]})),
        "20 000 rows": site.cost(5, lambda _: site.ask("/db/shop/main/orders/rows")),
    }
    found["resident MiB"] = peak_rss(site.daemon.pid)
    found["store"] = fill(site)
    return found


def main() -> int:
    """Measure and write."""
    with tempfile.TemporaryDirectory() as name, redis.redis() as store:
        folder = Path(name)
        make_database(folder / "shop.db")
        body = sqlite_provider("shop", folder / "shop.db") + redis_store(store)
        body += "\n[limits]\nrequests_per_minute = 1000000\n[auth]\nmax_attempts = 1000\n"
        body += '[[policy.clear]]\ncolumns = ["*/*/*.*"]\n'
        body += role("developer", "rows:**", "template.run:*", "template.edit:*")
        with running(Daemon(folder, body, {"template_check": '"0s"'})) as daemon:
            site = Site(daemon, store, daemon.add_person("dev@example.org", "developer"))
            request = urllib.request.Request(
                f"{daemon.origin}/api/v1/packtmpl", TEMPLATE.encode(),
                {**site.person.bearer, "Content-Type": "application/yaml"},
            )  # fmt: skip
            urllib.request.urlopen(request, timeout=30).close()
            found = measure(site)
    machine = {"processors": os.cpu_count(), "kind": platform.machine(), "python": platform.python_version()}
    OUT.write_text(json.dumps({"machine": machine, **found}, indent=1) + "\n", "utf-8")
    print(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
