"""``METADATA/graph.json``: one file for all subsets of a package; ``subset/graph.py`` has the format."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from hfitd.export.items.interface import Built, Member, Ways
from hfitd.model import Sink

GRAPH = "METADATA/graph.json"


def graph_members(subsets: Sequence[Ways]) -> list[Member]:
    """The file, or nothing for a package without subsets."""
    if not subsets:
        return []

    async def build(sink: Sink) -> Built:
        for piece in _pieces(subsets):
            await sink.write(piece)
            await asyncio.sleep(0)  # a large graph must not keep the loop from its other work
        return Built()

    return [Member(GRAPH, "metadata", build)]


def _pieces(subsets: Sequence[Ways]) -> Iterator[bytes]:
    yield b'{"format":1,"subsets":['
    for number, ways in enumerate(subsets):
        if number:
            yield b","
        yield from ways.pieces()
    yield b"]}"
