"""The local cache believes nothing that it reads, and holds no more than it may."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest

from hfit.credentials.pins import Trust, learn_keys, parse_offered_keys, read_pins
from hfit.errors import KeyUntrusted, PolicyRefused, UsageMistake
from hfit.package.verify import Report, verify_package
from hfit.refresh.cache import PackageCache, cache_bytes, cache_folder, open_cache
from tests.support.package_writer import ORIGIN, Package, PackageKey


@pytest.fixture
def cache(tmp_path: Path) -> PackageCache:
    return PackageCache(tmp_path / "cache", 1 << 20)


@pytest.fixture
def trust(tmp_path: Path, package_key: PackageKey) -> Trust:
    offered = {"public_key": package_key.line, "fingerprint": "", "current": True, "endorsement": None}
    learn_keys(tmp_path / "config", ORIGIN, parse_offered_keys([offered]))
    return Trust(read_pins(tmp_path / "config"))


def kept(cache: PackageCache, package: Package, trust: Trust) -> Report:
    """The package in the cache."""
    path = cache.server_folder(ORIGIN) / "arrived"
    path.write_bytes(package.archive())
    return cache.keep(verify_package(path, trust))


def test_what_was_kept_is_found(cache: PackageCache, trust: Trust, package_key: PackageKey) -> None:
    report = kept(cache, Package(package_key), trust)
    found = cache.find(ORIGIN, report.manifest.package_digest, trust)
    assert found is not None
    assert found.entries == report.entries
    assert found.path.stat().st_mode & 0o777 == 0o600
    assert cache.find("https://other.test", report.manifest.package_digest, trust) is None
    assert cache.find(ORIGIN, "0" * 64, trust) is None


def test_an_altered_archive_is_removed(cache: PackageCache, trust: Trust, package_key: PackageKey) -> None:
    report = kept(cache, Package(package_key), trust)
    data = bytearray(report.path.read_bytes())
    data[300] ^= 1
    report.path.write_bytes(data)
    assert cache.find(ORIGIN, report.manifest.package_digest, trust) is None
    assert not report.path.exists()


def test_an_archive_under_another_digest_is_removed(
    cache: PackageCache, trust: Trust, package_key: PackageKey
) -> None:
    report = kept(cache, Package(package_key), trust)
    report.path.rename(report.path.with_name("1" * 64 + ".archive"))
    assert cache.find(ORIGIN, "1" * 64, trust) is None
    assert not report.path.with_name("1" * 64 + ".archive").exists()


def test_an_expired_archive_is_removed(cache: PackageCache, trust: Trust, package_key: PackageKey) -> None:
    past = (dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)).isoformat()
    path = cache.server_folder(ORIGIN) / "arrived"
    path.write_bytes(Package(package_key, expires=past).archive())
    report = cache.keep(verify_package(path, trust, allow_expired=True))
    assert cache.find(ORIGIN, report.manifest.package_digest, trust) is None
    assert not report.path.exists()


def test_an_archive_of_a_key_that_is_no_longer_trusted_is_an_error(
    cache: PackageCache, trust: Trust, package_key: PackageKey
) -> None:
    report = kept(cache, Package(package_key), trust)
    with pytest.raises(KeyUntrusted):
        cache.find(ORIGIN, report.manifest.package_digest, Trust())
    assert report.path.exists()


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path, trust: Trust, package_key: PackageKey) -> None:
    packages = [Package(package_key, files={"a.bin": os.urandom(3000)}) for _ in range(4)]
    size = max(len(package.archive()) for package in packages)
    cache = PackageCache(tmp_path / "cache", 3 * size + 100)
    reports = [kept(cache, package, trust) for package in packages[:3]]
    for age, report in zip((300, 200, 100), reports, strict=True):
        moment = report.path.stat().st_mtime - age
        os.utime(report.path, (moment, moment))
    assert cache.find(ORIGIN, reports[0].manifest.package_digest, trust)
    last = kept(cache, packages[3], trust)
    assert [report.path.exists() for report in (*reports, last)] == [True, False, True, True]


def test_leftovers_of_broken_downloads_go_after_a_day(
    cache: PackageCache, trust: Trust, package_key: PackageKey
) -> None:
    folder = cache.server_folder(ORIGIN)
    old, fresh = folder / ".hfit-1.part", folder / ".hfit-2.part"
    for path in (old, fresh):
        path.write_bytes(b"x")
    os.utime(old, (1, 1))
    kept(cache, Package(package_key), trust)
    assert (old.exists(), fresh.exists()) == (False, True)


def test_the_last_answer_is_recalled(cache: PackageCache) -> None:
    assert cache.recall(ORIGIN, "a" * 64) == ""
    cache.remember(ORIGIN, "a" * 64, "b" * 64)
    assert cache.recall(ORIGIN, "a" * 64) == "b" * 64
    (cache.server_folder(ORIGIN) / ("a" * 64 + ".last")).write_text("../../etc")
    assert cache.recall(ORIGIN, "a" * 64) == ""


def test_the_environment_says_where_and_how_much(tmp_path: Path) -> None:
    assert cache_folder({"HFIT_CACHE_DIR": str(tmp_path)}) == tmp_path
    assert cache_folder({}).name == "hfit"
    assert cache_bytes({}) == 2 << 30
    assert cache_bytes({"HFIT_CACHE_SIZE": "10 mb"}) == 10 << 20
    assert cache_bytes({"HFIT_CACHE_SIZE": "10"}) == 10
    with pytest.raises(UsageMistake):
        cache_bytes({"HFIT_CACHE_SIZE": "much"})


def test_a_cache_that_others_may_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(PolicyRefused):
        open_cache({"HFIT_CACHE_DIR": str(tmp_path / "open")})
