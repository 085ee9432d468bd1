"""How cost grows with developers and instances: ``python -m benchmarks.scaling`` prints what docs/scaling.md shows.

Two parts, both deterministic:

1. Arithmetic over ``capacity.json`` (measured) and a profile of what a developer does (assumed, below): processors,
   instances, commands of Redis, memory, disk.
2. A simulation of one busy hour, event by event, of what no arithmetic tells: how often an equal package is kept or
   being built already, how long a job waits for one of a provider's connections, how many are told BUSY. Providers do
   not touch each other, so of many a sample is simulated.
"""

from __future__ import annotations

import argparse
import bisect
import heapq
import itertools
import json
import math
import random
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CAPACITY = Path(__file__).parent / "capacity.json"
BUSY_SHARE = 0.7  # of one processor: beyond that, answers wait for each other
DAY_SECONDS = 8 * 3600.0
PEAK = 4.0  # the busiest hour against the mean of the day
SIZES = ((50, 1), (500, 2), (5_000, 10), (20_000, 50), (100_000, 200), (100_000, 1_000))  # developers, instances
BEAT_SECONDS = 5.0
MEND_SECONDS = 600.0
GROUPS = 7  # of keys that are listed; each is a look of its own
REDIS_SHARE = 0.6  # of one processor of a Redis node
TTL_SECONDS = 3600.0
SAMPLE = 10  # providers
CROWDS = ((200, 4), (1_000, 4), (2_000, 4), (4_000, 4), (4_000, 8), (10_000, 8), (10_000, 16))  # of one provider
MIB = 1024.0**2


@dataclass(frozen=True, slots=True)
class Profile:
    """What one developer, with the CI jobs that work for them, does on a working day."""

    logins: float = 8
    small_calls: float = 60
    packages: float = 30.0
    streams: float = 2
    package_mib: float = 2.0
    templates: int = 3  # kept by each


@dataclass(frozen=True, slots=True)
class Scene:
    """One busy hour before the databases."""

    instances: int
    providers: int
    packages_a_second: float
    connections: int = 4  # of a provider, at all instances together
    build_seconds: float = 1.5  # mean time that a build holds a connection
    queue: int = 20  # who may wait at one instance
    patience_seconds: float = 30.0
    scenarios: int = 3000  # distinct packages of a provider, asked for by Zipf's law
    seconds: float = 3600.0


@dataclass(slots=True)
class Outcome:
    """What came of it."""

    asked: int = 0
    kept: int = 0
    joined: int = 0
    built: int = 0
    refused: int = 0
    waits: list[float] = field(default_factory=list)

    @property
    def wait_p99(self) -> float:
        """Seconds."""
        return sorted(self.waits)[int(len(self.waits) * 0.99)] if self.waits else 0.0


@dataclass(slots=True)
class _Provider:
    free: int
    waiting: deque[tuple[float, int]] = field(default_factory=deque)  # since when, for which package


def simulate(scene: Scene, seed: int = 1) -> Outcome:
    """The hour. Arrivals are a Poisson process, builds take exponential times; all from the seed."""
    dice, out = random.Random(seed), Outcome()
    weights = list(itertools.accumulate(1 / rank for rank in range(1, scene.scenarios + 1)))
    providers = [_Provider(scene.connections) for _ in range(scene.providers)]
    kept: dict[tuple[int, int], float] = {}
    building: set[tuple[int, int]] = set()
    ends: list[tuple[float, int, int]] = []

    def begin(now: float, provider: int, package: int) -> None:
        providers[provider].free -= 1
        heapq.heappush(ends, (now + dice.expovariate(1 / scene.build_seconds), provider, package))

    def finish(now: float, provider: int, package: int) -> None:
        place = providers[provider]
        place.free += 1
        building.discard((provider, package))
        kept[provider, package] = now + TTL_SECONDS
        out.built += 1
        while place.waiting:
            since, wanted = place.waiting.popleft()
            if now - since > scene.patience_seconds:
                out.refused += 1
                building.discard((provider, wanted))
                continue
            out.waits.append(now - since)
            begin(now, provider, wanted)
            return

    now = 0.0
    while now < scene.seconds:
        now += dice.expovariate(scene.packages_a_second)
        while ends and ends[0][0] <= now:
            finish(*heapq.heappop(ends))
        key = dice.randrange(scene.providers), bisect.bisect(weights, dice.random() * weights[-1])
        out.asked += 1
        place = providers[key[0]]
        if kept.get(key, 0.0) > now:
            out.kept += 1
        elif key in building:
            out.joined += 1
        elif place.free:
            out.waits.append(0.0)
            building.add(key)
            begin(now, *key)
        elif len(place.waiting) >= scene.queue * scene.instances:
            out.refused += 1
        else:
            building.add(key)
            place.waiting.append((now, key[1]))
    return out


@dataclass(frozen=True, slots=True)
class Bill:
    """What a size needs in its busiest hour."""

    developers: int
    instances: int
    requests: float  # a second
    processors: float
    needed: int  # instances
    outcome: Outcome
    commands: float  # of Redis, a second
    redis: float  # processors, without looks through all keys
    beats: float  # processors, for instances that count each other
    mending: float  # processors, for the look at all keys every ten minutes that keeps the index whole
    records: float
    redis_mib: float
    artifacts_gib: float
    audit_gib: float  # a day
    megabits: float  # a second


def bill(developers: int, instances: int, costs: dict[str, Any], profile: Profile | None = None) -> Bill:
    """Arithmetic and simulation for one size."""
    does = profile or Profile()
    rate = developers * PEAK / DAY_SECONDS
    providers = max(1, developers // 200)
    sample = min(providers, SAMPLE)
    outcome = simulate(Scene(instances, sample, rate * does.packages * sample / providers))
    new = outcome.built / outcome.asked
    mix = {
        "login": rate * does.logins,
        "small call": rate * does.small_calls,
        "kept package": rate * does.packages * (1 - new),
        "new package": rate * does.packages * new,
        "20 000 rows": rate * does.streams,
    }

    def total(key: str) -> float:
        return sum(count * costs[kind][key] for kind, count in mix.items())

    kept = developers * does.packages * new * PEAK / DAY_SECONDS * TTL_SECONDS
    records = developers * (1 + 2 * does.templates) + 2 * kept + rate * does.packages * TTL_SECONDS + instances
    return Bill(
        developers,
        instances,
        sum(mix.values()),
        total("cpu"),
        math.ceil(total("cpu") / BUSY_SHARE),
        outcome,
        total("redis_commands"),
        total("redis_cpu"),
        costs["store"]["listed_cpu_per_key"] * instances * instances / BEAT_SECONDS,
        costs["store"]["scan_cpu_per_key"] * records * GROUPS / MEND_SECONDS,
        records,
        records * costs["store"]["bytes_per_record"] / MIB,
        kept * does.package_mib / 1024,
        total("audit_bytes") * DAY_SECONDS / PEAK / 1024**3,
        rate * does.packages * does.package_mib * 8 * MIB / 1e6,
    )


def bills() -> list[Bill]:
    """Every size of the page."""
    costs = json.loads(CAPACITY.read_text("utf-8"))
    return [bill(developers, instances, costs) for developers, instances in SIZES]


HEADS = ("developers", "instances", "requests/s", "processors", "instances needed")
LOAD_HEADS = (*HEADS, "network Mbit/s", "audit GiB/day", "packages GiB")
CROWD_HEADS = ("developers", "connections", "packages/s", "kept", "joined", "built", "told BUSY", "wait p99")
STORE_HEADS = ("developers", "instances", "records", "MiB", "commands/s", "processors", "counting", "mending")


def load_rows(found: Sequence[Bill]) -> list[tuple[str, ...]]:
    """What the instances need."""
    return [
        (
            f"{b.developers:,}", f"{b.instances:,}", f"{b.requests:.1f}", f"{b.processors:.2f}", f"{b.needed:,}",
            f"{b.megabits:,.0f}", f"{b.audit_gib:.2f}", f"{b.artifacts_gib:,.1f}",
        )
        for b in found
    ]  # fmt: skip


def crowd_rows() -> list[tuple[str, ...]]:
    """What an hour before one provider gives, for crowds of several sizes and two instances."""
    rows = []
    for developers, connections in CROWDS:
        rate = developers * PEAK / DAY_SECONDS * Profile().packages
        o = simulate(Scene(2, 1, rate, connections))
        shares = [f"{part / o.asked:.1%}" for part in (o.kept, o.joined, o.built, o.refused)]
        rows.append((f"{developers:,}", str(connections), f"{o.asked / 3600:.1f}", *shares, f"{o.wait_p99:.1f} s"))
    return rows


def store_rows(found: Sequence[Bill]) -> list[tuple[str, ...]]:
    """What Redis needs."""
    return [
        (
            f"{b.developers:,}", f"{b.instances:,}", f"{b.records:,.0f}", f"{b.redis_mib:,.0f}", f"{b.commands:,.0f}",
            f"{b.redis:.2f}", f"{b.beats:.2f}", f"{b.mending:.3f}",
        )
        for b in found
    ]  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tables, or with numbers of one's own one size."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--developers", type=int, help="one size instead of those of the page")
    parser.add_argument("--instances", type=int, default=10)
    parser.add_argument("--packages", type=float, default=Profile.packages, help="of a developer a day")
    options = parser.parse_args(argv)
    found = bills()
    if options.developers:
        costs = json.loads(CAPACITY.read_text("utf-8"))
        found = [bill(options.developers, options.instances, costs, Profile(packages=options.packages))]
    tables = (LOAD_HEADS, load_rows(found)), (STORE_HEADS, store_rows(found)), (CROWD_HEADS, crowd_rows())
    for heads, rows in tables:
        for row in (heads, *rows):
            print("".join(f"{cell:>18}" for cell in row))
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
