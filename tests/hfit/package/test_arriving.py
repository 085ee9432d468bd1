"""Archives that are verified while they arrive: what passes, what is left to the scan of the finished file."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from hfit.credentials.pins import Pin, Trust
from hfit.credentials.ssh_wire import parse_public_key_line
from hfit.package.arriving import WORTH_A_THREAD_BYTES, ArrivingArchive, arriving
from hfit.package.verify import Scan, judge, scan_archive
from tests.support.package_writer import ORIGIN, Package, PackageKey

LARGE = {"a.sql": random.Random(7).randbytes(2 * WORTH_A_THREAD_BYTES), "b.sql": bytes(2 * WORTH_A_THREAD_BYTES)}
STEP = 200_003


def deliver(path: Path, archive: ArrivingArchive, data: bytes, start: int = 0) -> None:
    """Put the bytes from ``start`` on into the file, as a download does."""
    with path.open("ab") as file:
        for at in range(start, len(data), STEP):
            piece = data[at : at + STEP]
            file.write(piece)
            file.flush()
            archive.update(piece)


def scanned(path: Path, way: Callable[[ArrivingArchive], None]) -> Scan | None:
    """What is known of a file that arrived in some ``way``; no thread is left."""
    before = threading.active_count()
    path.unlink(missing_ok=True)
    with arriving(path) as archive:
        way(archive)
        with path.open("rb") as file:
            scan = archive.finish(file)
    assert threading.active_count() == before
    return scan


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_a_package_is_known_when_its_last_byte_has_arrived_as_its_finished_file_would_be(
    package_key: PackageKey, tmp_path: Path, compression: str
) -> None:
    package, path = Package(package_key, files=LARGE), tmp_path / "part"
    whole = package.archive(compression)
    scan = scanned(path, lambda archive: deliver(path, archive, whole))
    with path.open("rb") as file:
        assert scan == scan_archive(file)
    assert scan is not None
    trust = Trust((Pin(ORIGIN, parse_public_key_line(package_key.line)),))
    assert judge(scan, path, trust).manifest.package_name == package.name

    def go_on(archive: ArrivingArchive) -> None:
        path.write_bytes(whole[:STEP])
        archive.restart(path)
        deliver(path, archive, whole, STEP)

    assert scanned(path, go_on) == scan


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_c02_whatever_is_wrong_with_a_package_that_arrives_is_no_result(
    package_key: PackageKey, tmp_path: Path, compression: str
) -> None:
    path = tmp_path / "part"
    whole = Package(package_key, files=LARGE).archive(compression)
    middle, end = len(whole) // 2, len(whole) - 3
    wrong = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in (0, 12, end)]
    for data in (*wrong, whole[:-1], whole[:middle], whole + b"\0", bytes(len(whole))):
        assert scanned(path, lambda archive, data=data: deliver(path, archive, data)) is None  # type: ignore[misc]

    def begin_anew(archive: ArrivingArchive) -> None:
        deliver(path, archive, whole[:-STEP])
        path.unlink()
        path.touch()
        archive.restart(path)
        deliver(path, archive, whole)

    def change_the_file(archive: ArrivingArchive) -> None:
        deliver(path, archive, whole)
        path.unlink()
        path.write_bytes(whole)

    def grow_unseen(archive: ArrivingArchive) -> None:
        deliver(path, archive, whole)
        path.write_bytes(whole + b"\0")

    assert [scanned(path, way) for way in (begin_anew, change_the_file, grow_unseen)] == [None] * 3


def test_a_download_that_breaks_off_leaves_no_thread_that_waits_for_more(
    package_key: PackageKey, tmp_path: Path
) -> None:
    path, before = tmp_path / "part", threading.active_count()
    whole = Package(package_key, files=LARGE).archive("gzip")
    with pytest.raises(ConnectionError), arriving(path) as archive:
        deliver(path, archive, whole[:-STEP])
        assert threading.active_count() > before
        raise ConnectionError
    assert threading.active_count() == before
