"""The generated parts of ``docs/metrics.md``: every metric and every line of the log."""

from __future__ import annotations

import dataclasses
import inspect
import logging
import re
import typing
from collections.abc import Callable

from hfitd.observe import events
from hfitd.observe.metrics import Metrics

Table = Callable[[tuple[str, ...], list[tuple[str, ...]]], str]
SUFFIXES = {"counter": "_total", "histogram": "_bucket, _sum, _count"}


def metrics_block(table: Table) -> str:
    """Every metric in the order of the program."""
    rows = []
    for metric in vars(Metrics()).values():
        if hasattr(metric, "_documentation"):
            labels = ", ".join(f"`{name}`" for name in metric._labelnames)
            suffix = SUFFIXES.get(metric._type, "")
            rows.append((f"`{metric._name}`", metric._type, suffix, labels, metric._documentation))
    return table(("metric", "type", "suffixes", "labels", ""), rows)


def events_block(table: Table) -> str:
    """Every event: its line's name, level and fields."""
    rows = []
    for kind in typing.get_args(events.Event):
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).lower()
        fields = ", ".join(f"`{field.name}`" for field in dataclasses.fields(kind))
        text = re.sub(r"``(.+?)``", r"`\1`", " ".join((inspect.getdoc(kind) or "").split()))
        rows.append((f"`{name}`", logging.getLevelName(kind.level).lower(), fields, text))
    return table(("event", "level", "fields", ""), rows)
