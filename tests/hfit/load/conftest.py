"""Loading in tests: a package, a trust that fits it, and one call."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from hfit.credentials.pins import Trust
from hfit.load.interface import LoadReport
from hfit.load.run import LoadRequest, load_package, verify_target
from hfit.load.target import parse_intos
from hfit.transfer import Progress, silent
from tests.support.package_writer import PackageKey
from tests.support.whole_packages import Content, Load, Packed, Verify, write_package


@pytest.fixture
def trust(package_key: PackageKey) -> Trust:
    return Trust(fingerprints=frozenset([package_key.fingerprint]))


@pytest.fixture
def load(trust: Trust) -> Load:
    def run(path: Path, *urls: str, progress: Progress = silent, **options: object) -> list[LoadReport]:
        return load_package(LoadRequest(path, parse_intos(urls, {}), **options), trust, progress)  # type: ignore[arg-type]

    return run


@pytest.fixture
def verify(trust: Trust) -> Verify:
    def run(path: Path, *urls: str, **options: object) -> dict[str, int]:
        return verify_target(LoadRequest(path, parse_intos(urls, {}), **options), trust)  # type: ignore[arg-type]

    return run


@pytest.fixture
def packed(package_key: PackageKey, tmp_path: Path) -> Packed:
    def write(content: Content | Mapping[str, Content]) -> Path:
        contents = {"shop": content} if isinstance(content, Content) else content
        return write_package(tmp_path, package_key, contents)

    return write
