"""The way to the library that sends spans. Without ``[traces] endpoint`` nothing of it is imported."""

from __future__ import annotations

from collections.abc import Callable

from hfitd.observe.spans import NoTraces, Tracer


def open_tracer(endpoint: str, ratio: float, *, version: str, instance: str, on_lost: Callable[[int], None]) -> Tracer:
    """The tracer of an OTLP/HTTP endpoint, which keeps ``ratio`` of all traces; ``on_lost`` hears of spans that could
    not be sent, from another thread. The configuration was checked: the library is there."""
    if not endpoint:
        return NoTraces()
    from hfitd.observe.traces import OpenTelemetry  # noqa: PLC0415 - an extra: only who traces needs its library

    return OpenTelemetry(endpoint, ratio, version=version, instance=instance, on_lost=on_lost)
