"""``hfitd demo`` as a user runs it: its words, its exit code, what it leaves behind, and what is in the package."""

from __future__ import annotations

import gzip
import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import pytest

RAW = (b"wyatt.girard@yahoo.fr", b"+33 05 56 96 96 96", b"Girard", b"Place Louis Barthou")


def start(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """The demo with ``folder`` as the home and as the place of temporary folders."""
    environment = {**os.environ, "TMPDIR": str(folder), "HOME": str(folder), "HFIT_SERVER_URL": "http://127.0.0.1:9"}
    return subprocess.run(
        [sys.executable, "-m", "hfitd", "demo", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip


@pytest.fixture
def tmp_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a short name: the path of a socket has at most 107 bytes."""
    return tmp_path_factory.mktemp("d")


@dataclass(frozen=True)
class Kept:
    """A demo that was left running."""

    output: str
    folder: Path
    process: int

    def paste(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command after the lines that the demo printed for pasting."""
        setup = [line.strip() for line in self.output.splitlines() if re.match(r"  (cd|export) ", line)]
        return subprocess.run(
            ["sh", "-euc", "\n".join([*setup, command])], capture_output=True, text=True, timeout=60, check=False
        )


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """``hfitd demo --keep``, stopped at the end the way it says."""
    done = start(["--keep"], tmp_path_factory.mktemp("kept"))
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"^To stop it: (kill (\d+); sleep 2; rm -rf (.+))$", done.stdout, re.M)
    assert found is not None, done.stdout
    process, folder = int(found[2]), Path(shlex.split(found[3])[0])
    yield Kept(done.stdout, folder, process)
    if folder.exists():
        os.kill(process, signal.SIGKILL)


def is_alive(process: int) -> bool:
    """Whether a process runs; one that has ended and waits to be collected does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_demo_ends_with_a_verified_masked_complete_package_and_leaves_nothing(tmp_path: Path) -> None:
    done = start([], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    for command in (
        "hfitd serve", "hfitd user add", "hfit login", "hfit pkg-example > customer-case.yaml", "hfit pkg-tmpl create",
        "hfit pkg-plan customer-case customer_id=42", "hfit pkg-download customer-case customer_id=42",
        "hfit verify case-42", "sqlite3 case-42.db < case-42/30-customer.sql",
    ):  # fmt: skip
        assert f"$ {command}" in done.stdout
    for fact in (
        "The package is whole and unaltered.", "Customer: 1 row\n", "Invoice: 7 rows", "nowhere: 0", "Try next:",
    ):  # fmt: skip
        assert fact in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_demo_shows_the_raw_row_beside_the_masked_one(kept: Kept) -> None:
    shown = re.search(r"^  Email +(\S+) +(\S+)$", kept.output, re.M)
    assert shown is not None
    assert shown[1] == "wyatt.girard@yahoo.fr"
    assert re.fullmatch(r"\S+@example\.(com|net|org)", shown[2])


def test_no_raw_value_of_the_customer_is_in_any_file_of_the_package(kept: Kept) -> None:
    members = [path for path in (kept.folder / "case-42").rglob("*") if path.is_file()]
    assert len(members) == 14
    assert [path.name for path in members for value in RAW if value in path.read_bytes()] == []


def test_no_raw_value_is_in_what_the_gateway_keeps(kept: Kept) -> None:
    """Log, audit, store and kept packages hold no raw value either."""
    written = [kept.folder / "hfitd.log", *(kept.folder / "gateway").rglob("*")]
    contents = {path.name: path.read_bytes() for path in written if path.is_file()}
    assert any(name.endswith(".jsonl") for name in contents)
    for name, content in contents.items():
        plain = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
        assert [value for value in RAW if value in plain] == [], name


def test_every_command_to_paste_works(kept: Kept) -> None:
    commands = [line.strip() for line in kept.output.splitlines() if line.startswith("  hfit ")]
    assert len(commands) >= 6
    for command in commands:
        # a machine without the sqlite3 program still has cat
        done = kept.paste(command.partition(" | ")[0])
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        assert done.stdout.strip()


def test_the_streamed_sql_loads(kept: Kept) -> None:
    done = kept.paste("hfit pkg-download customer-case customer_id=17 --stream-sql")
    with sqlite3.connect(":memory:") as connection:
        connection.executescript(done.stdout)
        assert connection.execute("SELECT CustomerId FROM Customer").fetchall() == [(17,)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()


def test_the_sample_data_come_with_their_licence() -> None:
    sample = files("hfitd") / "sample"
    assert "Copyright (c) 2008-2024 Luis Rocha" in (sample / "LICENSE").read_text()


def test_a_demo_that_cannot_start_says_so_in_words(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 100)  # too long for the address of a socket
    long.mkdir()
    done = start([], long)
    assert done.returncode == 1
    assert done.stderr.startswith("The demo failed: ")
    assert "Traceback" not in done.stderr
    assert list(long.iterdir()) == []


def test_a_kept_demo_stops_as_it_says(kept: Kept) -> None:
    command = kept.output.rpartition("To stop it: ")[2].strip()
    subprocess.run(["sh", "-c", command], check=True, timeout=30)
    deadline = time.monotonic() + 20
    while is_alive(kept.process):
        assert time.monotonic() < deadline, "the daemon still runs"
        time.sleep(0.05)
    assert not kept.folder.exists()
