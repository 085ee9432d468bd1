"""Keys of a walk on disk are the same keys in the same order, and leave nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from hfitd.export.spool import Scratch
from hfitd.export.subset.found import Key, KeyStore
from tests.live.databases import run_sql
from tests.live.servers import Server
from tests.support.subset_worlds import SubsetWorld, server_provider, subset_world

KEYS: list[Key] = ["1", "ä'\"\\", "", "a\0b", ("1", "2"), ("1", "2\0"), "[]"]


@pytest.mark.parametrize("spill_rows", [0, 3, 100])
def test_keys_are_found_in_memory_as_on_disk(tmp_path: Path, spill_rows: int) -> None:
    store = KeyStore(spill_rows, tmp_path)
    table, other = store.table(), store.table()
    table.add(KEYS[:5], range(5), [7] * 5)
    other.add(["x"], [1], [2])
    assert table.unknown(["new", KEYS[0], "new", KEYS[5]]) == [0, 3]
    table.add(KEYS[5:], range(5, len(KEYS)), [7] * (len(KEYS) - 5))
    table.raise_second([0, 2], [3, 1])
    table.set_first([1], 99)
    assert store.spilled is (spill_rows < 100)
    assert table.find([*KEYS, "none", ("1",)]) == [*range(len(KEYS)), None, None]
    assert table.first_of([1, 0]) == [99, 0]
    keys, first, second = table.portion(0, 100)
    assert list(keys) == KEYS and list(first)[:3] == [0, 99, 2] and list(second)[:3] == [10, 7, 8]
    assert [list(part[0]) for part in table.portions(3)] == [KEYS[:3], KEYS[3:6], KEYS[6:]]
    assert other.find(["x"]) == [0] and list(tmp_path.iterdir()) == []
    other.drop()
    store.close()


async def test_a_subset_whose_keys_are_on_disk_is_the_same_byte_for_byte(
    nasty_pg: SubsetWorld, nasty_my: SubsetWorld, tmp_path: Path
) -> None:
    for world, table in ((nasty_pg, "nasty.site"), (nasty_my, "nasty.site")):
        in_memory = await world.run((table, "site_id = 2"))
        scratch = Scratch(tmp_path, spill_rows=10)
        on_disk = await world.run((table, "site_id = 2"), scratch=scratch)
        assert (on_disk.script, on_disk.graph, on_disk.built) == (in_memory.script, in_memory.graph, in_memory.built)
        assert list(tmp_path.iterdir()) == []
        scratch.close()


async def test_thousands_of_rows_go_through_the_disk(
    postgres_server: Server, postgres_database: str, tmp_path: Path
) -> None:
    run_sql(
        postgres_server,
        """CREATE TABLE hub (id int PRIMARY KEY); CREATE TABLE spoke (a int, b text, hub int REFERENCES hub, up int,
        PRIMARY KEY (a, b)); INSERT INTO hub SELECT i FROM generate_series(1, 3000) i;
        INSERT INTO spoke SELECT i, 'b' || i, i, 1 + i % 3000 FROM generate_series(1, 3000) i;
        ALTER TABLE spoke ADD FOREIGN KEY (up) REFERENCES hub;""",
        postgres_database,
    )
    async with subset_world(server_provider(postgres_server, postgres_database)) as world:
        scratch = Scratch(tmp_path, spill_rows=100)
        result = await world.run(("hub", "id <= 2000"), scratch=scratch)
        whole = await world.run(("hub", "id <= 2000"))
        scratch.close()
    assert (result.script, result.graph) == (whole.script, whole.graph)
    assert result.rows["public.spoke"] > 2000 and result.asked == whole.asked
