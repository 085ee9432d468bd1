"""The generated parts of ``docs/scaling.md``."""

from __future__ import annotations

import json
from collections.abc import Callable

from benchmarks import scaling

Table = Callable[[tuple[str, ...], list[tuple[str, ...]]], str]
KINDS = ("login", "small call", "kept package", "new package", "20 000 rows")


def capacity_block(table: Table) -> str:
    """What was measured."""
    costs = json.loads(scaling.CAPACITY.read_text("utf-8"))
    rows = [
        (
            kind, f"{costs[kind]['cpu'] * 1000:.1f} ms", f"{costs[kind]['redis_cpu'] * 1000:.2f} ms",
            f"{costs[kind]['redis_commands']:.1f}", f"{costs[kind]['audit_bytes']:.0f} B",
        )
        for kind in KINDS
    ]  # fmt: skip
    return table(("request", "processor of hfitd", "processor of Redis", "commands of Redis", "audit log"), rows)


def load_block(table: Table) -> str:
    """What the instances need."""
    return table(scaling.LOAD_HEADS, scaling.load_rows(scaling.bills()))


def store_block(table: Table) -> str:
    """What Redis needs."""
    return table(scaling.STORE_HEADS, scaling.store_rows(scaling.bills()))


def crowd_block(table: Table) -> str:
    """What the simulated hours gave."""
    return table(scaling.CROWD_HEADS, scaling.crowd_rows())
