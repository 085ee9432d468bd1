"""Room for the next package: what goes, and how seldom the folder is listed for it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from hfitd.export.kept import KeptArchives, KeptFile


class Counting(KeptArchives):
    """Says how often the folder was listed."""

    listed = 0

    def files(self) -> Iterator[KeptFile]:
        self.listed += 1
        return super().files()


def lay(folder: Path, number: int, size: int = 10) -> str:
    """An archive, the later the larger its number."""
    name = f"{number:05}.tar.gz"
    (folder / name).write_bytes(b"x" * size)
    at = time.time() - 3000 + number
    os.utime(folder / name, (at, at))
    return name


def numbers(folder: Path) -> list[int]:
    """Which are there."""
    return sorted(int(path.name.partition(".")[0]) for path in folder.iterdir())


def test_a_thousand_packages_within_the_limit_list_their_folder_once(tmp_path: Path) -> None:
    kept = Counting(tmp_path, max_bytes=1 << 30, ttl_seconds=3600)
    for number in range(1000):
        kept.make_room(lay(tmp_path, number), 10)
    assert (len(numbers(tmp_path)), kept.listed) == (1000, 1)


def test_at_the_limit_the_oldest_go_one_by_one_and_the_folder_is_seldom_listed(tmp_path: Path) -> None:
    kept = Counting(tmp_path, max_bytes=100, ttl_seconds=3600)
    for number in range(400):
        kept.make_room(lay(tmp_path, number), 10)
        assert numbers(tmp_path) == list(range(max(0, number - 9), number + 1))
    assert kept.listed < 200


def test_a_thousand_too_many_go_at_once(tmp_path: Path) -> None:
    for number in range(1000):
        lay(tmp_path, number)
    KeptArchives(tmp_path, max_bytes=50, ttl_seconds=3600).make_room()
    assert numbers(tmp_path) == [995, 996, 997, 998, 999]


def test_what_another_instance_adds_and_removes_counts(tmp_path: Path) -> None:
    one, other = (KeptArchives(tmp_path, max_bytes=100, ttl_seconds=3600) for _ in range(2))
    for number in range(10):
        one.make_room(lay(tmp_path, number), 10)
    for number in range(10, 15):
        other.make_room(lay(tmp_path, number), 10)
    assert numbers(tmp_path) == list(range(5, 15))
    one.make_room()
    assert numbers(tmp_path) == list(range(5, 15))


def test_the_newest_stays_though_it_alone_is_too_much_and_whoever_is_too_old_goes(tmp_path: Path) -> None:
    kept = KeptArchives(tmp_path, max_bytes=15, ttl_seconds=2999.5)
    lay(tmp_path, 0)
    kept.make_room(lay(tmp_path, 1), 10)
    assert numbers(tmp_path) == [1]
    kept.make_room(lay(tmp_path, 2, 20), 20)
    assert numbers(tmp_path) == [2]
