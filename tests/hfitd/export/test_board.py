"""Names to follow something by."""

from __future__ import annotations

from pathlib import Path

from hfitd.export.board import MAX_NAMES, Board
from hfitd.store.embedded import EmbeddedStore


async def test_a_flood_of_names_is_forgotten_from_its_oldest_on(tmp_path: Path) -> None:
    store = await EmbeddedStore.open(tmp_path / "store.db")
    try:
        board = Board(store, lambda: 1)
        for number in range(MAX_NAMES + 5):
            board.name(f"run {number}", "dev@example.org", f"w.{number:022}")
        assert len(board._names) == MAX_NAMES
        assert board._names["dev@example.org", f"w.{MAX_NAMES + 4:022}"] == f"run {MAX_NAMES + 4}"
    finally:
        await store.close()
