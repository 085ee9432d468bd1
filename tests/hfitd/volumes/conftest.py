"""A folder with something outside it that must never come out."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hfitd.config.model import VolumeConfig
from hfitd.volumes.folder import FolderVolume, open_volume
from hfitd.volumes.opener import KernelOpener, Opener, WalkingOpener
from hfitd.volumes.scan import Caps


@dataclass
class World:
    """``vol`` is the volume's folder, ``vol-secret`` its neighbour; ``open`` makes a volume of it."""

    path: Path
    secret: Path
    opener: Callable[[bool], Opener]
    opened: list[FolderVolume] = field(default_factory=list)

    def open(self, caps: Caps | None = None, mask_key: bytes = b"", **settings: object) -> FolderVolume:
        config = VolumeConfig("vol", self.path, **settings)  # type: ignore[arg-type]
        volume = open_volume(config, mask_key, caps=caps, opener=self.opener(config.follow_symlinks))
        self.opened.append(volume)
        return volume

    def descriptors(self) -> int:
        """How many descriptors this process holds below the folder, besides the volumes' own roots."""
        return sum(1 for target in open_targets() if target.startswith(f"{self.path}/"))

    def write(self, name: str, content: bytes = b"x") -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path


def open_targets() -> Iterator[str]:
    """What the descriptors of this process are."""
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            yield os.readlink(f"/proc/self/fd/{name}")


OPENERS: dict[str, Callable[[bool], Opener]] = {
    "openat2": lambda follow: WalkingOpener(follow_symlinks=True) if follow else KernelOpener(),
    "walk": lambda follow: WalkingOpener(follow_symlinks=follow),
}


@pytest.fixture(params=sorted(OPENERS))
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """The same tests over both ways of opening."""
    path, secret = tmp_path / "vol", tmp_path / "vol-secret"
    path.mkdir()
    secret.mkdir()
    (secret / "s.txt").write_bytes(b"canary")
    found = World(path, secret, OPENERS[request.param])
    yield found
    for volume in found.opened:
        volume.close()
