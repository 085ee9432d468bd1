"""R14: mixed requests for a long time; what the daemon keeps of them in memory, descriptors and jobs.

``python -m tests.faults.soak --seconds 3600`` prints the slope of the resident memory after a warm-up, by least squares
over all samples; the suite runs three minutes of it. The daemon keeps small packages in memory, up to a bound: that is
filled before the measurement, which would otherwise show for an hour how it fills.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import random
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from hfitd.export.artifacts import MEMORY_BYTES, SMALL_BYTES
from tests.live.daemon import Daemon, Person, running
from tests.live.databases import unpack_chinook
from tests.live.world import small_config
from tests.support.http import Api

CLIENTS = 8
NOISE_BYTES = SMALL_BYTES - 16 * 1024  # with what else a package holds still a small one
WARM_UP_REQUESTS = 10_000  # until then heaps and caches find their size
MEASURED_SAMPLES = 100
SAMPLE_SECONDS = 0.2
LOGIN_SECONDS = 600.0  # a token lives for fifteen minutes
TEMPLATE = """hfitVersion: 1
templateName: invoices
parameters:
  customer: {type: integer, required: true}
exports:
  case.sql: {type: subset, data: {dbms: music, roots: [{table: Invoice, where: "CustomerId = ${customer}"}]}}
"""
FILLER = """hfitVersion: 1
templateName: filler
exports:
  noise: {type: files, volume: files, filters: ["name:noise.bin"]}
"""


@dataclass
class Soaked:
    """What was measured. ``samples`` are requests so far and MiB of resident memory."""

    requests: int = 0
    unexpected: list[str] = field(default_factory=list)
    samples: list[tuple[int, float]] = field(default_factory=list)
    descriptors: tuple[int, int] = (0, 0)
    jobs: int = 0

    @property
    def peak(self) -> float:
        """MiB."""
        return max(memory for _, memory in self.samples)

    @property
    def slope(self) -> float | None:
        """MiB that 10 000 requests leave, after the warm-up; None when hardly any came after it."""
        return self.slope_from(WARM_UP_REQUESTS)

    def slope_from(self, requests: int) -> float | None:
        """The same after so many of them."""
        late = [sample for sample in self.samples if sample[0] >= requests]
        if len(late) < MEASURED_SAMPLES:
            return None
        mean_x = sum(x for x, _ in late) / len(late)
        mean_y = sum(y for _, y in late) / len(late)
        spread = sum((x - mean_x) ** 2 for x, _ in late)
        return sum((x - mean_x) * (y - mean_y) for x, y in late) / spread * 10_000 if spread else 0.0

    def line(self) -> str:
        """For a person."""
        slope = "too few for a slope" if self.slope is None else f"{self.slope:+.2f} MiB of memory per 10 000"
        half = self.slope_from(max(WARM_UP_REQUESTS, self.requests // 2))
        slope += "" if half is None else f" ({half:+.2f} in the second half)"
        return (
            f"{self.requests} requests, {slope} after the first {WARM_UP_REQUESTS}, peak {self.peak:.0f} MiB; "
            f"descriptors {self.descriptors[0]} before, {self.descriptors[1]} after; "
            f"{self.jobs} jobs left; {len(self.unexpected)} unexpected answers {self.unexpected[:3]}"
        )


async def fill(daemon: Daemon, person: Person) -> None:
    """Let the daemon keep as many small packages in memory as it ever will."""
    (daemon.folder / "files" / "noise.bin").write_bytes(random.Random(14).randbytes(NOISE_BYTES))
    api = Api(daemon, person)
    assert (await api.put_template(FILLER)).status == 201
    for _ in range(MEMORY_BYTES // NOISE_BYTES + 1):
        made = await api.package("filler", refresh=True)
        assert (await api.get(f"/packages/{made.headers['X-Hfit-Package']}")).status == 200


async def soak(daemon: Daemon, person: Person, seconds: float, seed: int = 14) -> Soaked:
    """Let several clients ask for everything there is until the time is over."""
    api, chance, result = Api(daemon, person), random.Random(seed), Soaked()
    assert (await api.put_template(TEMPLATE)).status == 201
    await _ask(api, 4, chance)
    before = _descriptors(daemon)
    until = time.monotonic() + seconds

    async def stay_logged_in() -> None:
        while (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(left, LOGIN_SECONDS))
            api.headers = (await asyncio.to_thread(daemon.login, person)).bearer

    async def client() -> None:
        while time.monotonic() < until:
            kind = chance.randrange(7)
            status, wanted = await _ask(api, kind, chance)
            result.requests += 1
            if status not in wanted:
                result.unexpected.append(f"{kind}: {status}")

    async def watch() -> None:
        while time.monotonic() < until:
            result.samples.append((result.requests, _memory(daemon)))
            await asyncio.sleep(SAMPLE_SECONDS)

    await asyncio.gather(watch(), stay_logged_in(), *(client() for _ in range(CLIENTS)))
    for _ in itertools.repeat(None, 50):
        result.jobs = (await asyncio.to_thread(daemon.admin, "status"))["jobs"]
        result.descriptors = before, _descriptors(daemon)
        if not result.jobs and result.descriptors[1] <= before:
            break
        await asyncio.sleep(0.1)
    return result


async def _ask(api: Api, kind: int, chance: random.Random) -> tuple[int, set[int]]:
    """One request of a kind; its status and what it may be."""
    customer = chance.randrange(1, 40)
    if kind == 0:
        return (await api.get("/auth/whoami")).status, {200}
    if kind == 1:
        return (await api.get("/db/music/main/Track/rows?limit=200")).status, {200}
    if kind == 2:
        return (await api.get("/db/music/main/Customer")).status, {200}
    if kind == 3:
        return (await api.get("/files/files/download?path=a.log")).status, {200}
    if kind == 4:
        return (await api.package("invoices", customer)).status, {200}
    if kind == 5:
        return (await api.package("invoices", customer, refresh=not chance.randrange(4))).status, {200, 503}
    return (await api.get(f"/packages/none{customer}")).status, {404}


def _memory(daemon: Daemon) -> float:
    fields = Path(f"/proc/{daemon.pid}/status").read_text().split("VmRSS:")[1].split()
    return int(fields[0]) / 1024


def _descriptors(daemon: Daemon) -> int:
    return len(os.listdir(f"/proc/{daemon.pid}/fd"))


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=180.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hfit-soak-") as name:
        folder = Path(name)
        (folder / "files").mkdir()
        (folder / "files" / "a.log").write_text("a line\n" * 1000)
        with running(Daemon(folder, small_config(folder, unpack_chinook(folder)))) as daemon:
            person = daemon.add_person("dev@example.org", "developer")
            asyncio.run(fill(daemon, person))
            result = asyncio.run(soak(daemon, person, given.seconds))
    print(result.line())
    return 1 if result.unexpected or result.jobs else 0


if __name__ == "__main__":
    raise SystemExit(main())
