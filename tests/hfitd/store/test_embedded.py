from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hfitd.errors import StoreUnavailable
from hfitd.store.embedded import EmbeddedStore
from hfitd.store.interface import Record

_WRITER = """
import asyncio, sys
from pathlib import Path
from hfitd.store.embedded import EmbeddedStore

async def main():
    store = await EmbeddedStore.open(Path(sys.argv[1]))
    number = 0
    while True:
        number += 1
        await store.write("user:a", str(number).encode())
        print(number, flush=True)

asyncio.run(main())
"""


async def test_what_was_written_is_there_after_closing_and_opening(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "store.sqlite3"
    store = await EmbeddedStore.open(path)
    await store.write("user:a", b"1")
    await store.add("count:a", 3)
    await store.close()
    store = await EmbeddedStore.open(path)
    assert await store.read("user:a") == Record(b"1", 1)
    assert await store.add("count:a") == 4
    await store.close()


async def test_r1_a_killed_process_loses_nothing_it_had_confirmed(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    process = subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(20):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    confirmed = max(int(line) for line in process.stdout.read().splitlines() or ["20"])
    process.wait()
    process.stdout.close()
    store = await EmbeddedStore.open(path)
    record = await store.read("user:a")
    await store.close()
    assert record is not None
    assert int(record.value) in (confirmed, confirmed + 1)
    assert record.version == int(record.value)


async def test_a_second_process_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    process = subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    with pytest.raises(StoreUnavailable, match="Another hfitd process"):
        await EmbeddedStore.open(path)
    process.kill()
    process.communicate()
    await (await EmbeddedStore.open(path)).close()


async def test_its_files_are_for_their_owner_only(tmp_path: Path) -> None:
    store = await EmbeddedStore.open(tmp_path / "data" / "store.sqlite3")
    await store.write("user:a", b"1")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "data").iterdir()}
    await store.close()
    assert set(modes) >= {"store.sqlite3", "store.sqlite3-wal", "store.sqlite3.lock"}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


async def test_a_damaged_file_and_a_folder_that_is_none_are_unavailable(tmp_path: Path) -> None:
    (tmp_path / "store.sqlite3").write_bytes(b"this is no database, not at all, by no means" * 100)
    with pytest.raises(StoreUnavailable, match="damaged"):
        await EmbeddedStore.open(tmp_path / "store.sqlite3")
    (tmp_path / "plain").write_text("")
    with pytest.raises(StoreUnavailable, match="data_dir"):
        await EmbeddedStore.open(tmp_path / "plain" / "store.sqlite3")


async def test_after_closing_it_is_unavailable_and_closing_twice_is_fine(tmp_path: Path) -> None:
    store = await EmbeddedStore.open(tmp_path / "store.sqlite3")
    await store.close()
    await store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.ping()


async def test_o11_a_full_disk_is_unavailable_and_what_was_stays(tmp_path: Path) -> None:
    store = await EmbeddedStore.open(tmp_path / "store.sqlite3")
    await store.write("user:a", b"kept")
    pages = await store._run(lambda: store._database.execute("PRAGMA page_count").fetchone()[0])  # type: ignore[attr-defined]
    await store._run(lambda: store._database.execute(f"PRAGMA max_page_count = {pages}").fetchone())
    with pytest.raises(StoreUnavailable, match="disk") as caught:
        await store.write("user:b", b"x" * 100_000)
    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
    assert await store.read("user:b") is None
    assert await store.read("user:a") == Record(b"kept", 1)
    await store.close()


async def test_expired_records_do_not_stay_on_disk(tmp_path: Path) -> None:
    store = await EmbeddedStore.open(tmp_path / "store.sqlite3")
    for number in range(5):
        await store.write(f"nonce:{number}", b"secret-of-the-past", ttl_seconds=0.01)
    await asyncio.sleep(0.02)
    store._purge_at = 0.0
    await store.ping()
    count = await store._run(lambda: store._database.execute("SELECT count(*) FROM record").fetchone()[0])
    await store.close()
    assert count == 0


async def test_leases_do_not_outlive_the_process(tmp_path: Path) -> None:
    store = await EmbeddedStore.open(tmp_path / "store.sqlite3")
    assert await store.acquire("lease:a", "crashed", 600)
    await store.close()
    store = await EmbeddedStore.open(tmp_path / "store.sqlite3")
    assert await store.acquire("lease:a", "new", 600)
    await store.close()


async def test_closing_leaves_no_file_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    store = await EmbeddedStore.open(tmp_path / "store.sqlite3")
    await store.close()
    after = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    assert after <= before
