"""Loading in tests: a package, a trust that fits it, and one call."""

from __future__ import annotations

from pathlib import Path

import pytest

from hfit.client import silent
from hfit.credentials.pins import Trust
from hfit.load.interface import LoadReport
from hfit.load.run import LoadRequest, load_package, verify_target
from hfit.load.target import parse_intos
from tests.support.package_writer import PackageKey
from tests.support.whole_packages import Content, Load, Packed, Verify


@pytest.fixture
def trust(package_key: PackageKey) -> Trust:
    return Trust(fingerprints=frozenset([package_key.fingerprint]))


@pytest.fixture
def load(trust: Trust) -> Load:
    def run(path: Path, *urls: str, **options: object) -> list[LoadReport]:
        return load_package(LoadRequest(path, parse_intos(urls, {}), **options), trust, silent)  # type: ignore[arg-type]

    return run


@pytest.fixture
def verify(trust: Trust) -> Verify:
    def run(path: Path, *urls: str, **options: object) -> dict[str, int]:
        return verify_target(LoadRequest(path, parse_intos(urls, {}), **options), trust)  # type: ignore[arg-type]

    return run


@pytest.fixture
def packed(package_key: PackageKey, tmp_path: Path) -> Packed:
    def write(content: Content) -> Path:
        return content.write(tmp_path, package_key)

    return write
