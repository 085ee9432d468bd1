"""Fixtures of the whole suite: real servers, started when first asked for, and the sample data on them.

The session-wide databases (``sakila_postgres`` and so on) are shared: read them, never write. A test that writes takes
``postgres_database`` or ``mariadb_database``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.live import databases, redis
from tests.live.certificates import Certificates, make_certificates
from tests.live.daemon import Daemon, redis_store, running
from tests.live.mariadb import mariadb
from tests.live.mysql9 import fetched_program, mysql9
from tests.live.postgres import distribution_binaries, postgres, wheel_binaries
from tests.live.servers import Server
from tests.live.world import RAW_EMAIL, Shop, World, make_slow_database, running_world, small_config
from tests.support.canaries import files_with, redis_keys_with

# No test asserts a time: a machine that has much to do is no failure.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--screenshots``: the tests of the console write its pictures into ``docs/images``."""
    parser.addoption("--screenshots", action="store_true", help="write the pictures of the console into docs/images")


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A test authority and a certificate for 127.0.0.1 and localhost."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """The distribution's PostgreSQL, without TLS."""
    with postgres(distribution_binaries()) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_tls_server(certificates: Certificates) -> Iterator[Server]:
    """The same with TLS; ``tls_ca`` is the authority."""
    with postgres(distribution_binaries(), certificates) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_new_server() -> Iterator[Server]:
    """A newer PostgreSQL than the distribution's."""
    with postgres(wheel_binaries()) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[Server]:
    """MariaDB, without TLS."""
    with mariadb() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_tls_server(certificates: Certificates) -> Iterator[Server]:
    """The same with TLS; ``tls_ca`` is the authority."""
    with mariadb(certificates) as server:
        yield server


@pytest.fixture(scope="session")
def mysql9_server() -> Iterator[Server]:
    """A real MySQL; a test that takes it carries ``@pytest.mark.mysql9`` and runs in ``make test-mysql`` only."""
    with mysql9(fetched_program()) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Server]:
    """Redis with a password, shared by the session."""
    with redis.redis() as server:
        yield server


@pytest.fixture
def redis_url(redis_server: Server) -> str:
    """A Redis without a key."""
    redis.empty(redis_server)
    return redis_server.url("0")


@pytest.fixture
def postgres_database(postgres_server: Server) -> Iterator[str]:
    """An empty database on ``postgres_server``, removed afterwards."""
    with databases.fresh_database(postgres_server) as name:
        yield name


@pytest.fixture
def postgres_new_database(postgres_new_server: Server) -> Iterator[str]:
    """An empty database on ``postgres_new_server``, removed afterwards."""
    with databases.fresh_database(postgres_new_server) as name:
        yield name


@pytest.fixture
def mariadb_database(mariadb_server: Server) -> Iterator[str]:
    """An empty database on ``mariadb_server``, removed afterwards."""
    with databases.fresh_database(mariadb_server) as name:
        yield name


@pytest.fixture
def mysql9_database(mysql9_server: Server) -> Iterator[str]:
    """An empty database on ``mysql9_server``, removed afterwards."""
    with databases.fresh_database(mysql9_server) as name:
        yield name


@pytest.fixture(scope="session")
def sakila_postgres(postgres_server: Server) -> str:
    """Name of the database with Sakila."""
    return databases.load_sakila(postgres_server)


@pytest.fixture(scope="session")
def sakila_mariadb(mariadb_server: Server) -> str:
    """Name of the database with Sakila."""
    return databases.load_sakila(mariadb_server)


@pytest.fixture(scope="session")
def chinook_postgres(postgres_server: Server) -> str:
    """Name of the database with Chinook."""
    return databases.load_chinook(postgres_server)


@pytest.fixture(scope="session")
def chinook_mariadb(mariadb_server: Server) -> str:
    """Name of the database with Chinook."""
    return databases.load_chinook(mariadb_server)


@pytest.fixture(scope="session")
def chinook_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Chinook as an SQLite file."""
    return databases.unpack_chinook(tmp_path_factory.mktemp("chinook"))


@pytest.fixture(scope="session")
def nasty_postgres(postgres_server: Server) -> str:
    """Name of the database with the torture set."""
    return databases.load_nasty(postgres_server)


@pytest.fixture(scope="session")
def nasty_mariadb(mariadb_server: Server) -> str:
    """Name of the database with the torture set; ``nasty_audit``, ``nasty_types`` and others lie beside it."""
    return databases.load_nasty(mariadb_server)


@pytest.fixture(scope="session")
def shop(
    postgres_server: Server, mariadb_server: Server, sakila_postgres: str, sakila_mariadb: str, chinook_sqlite: Path
) -> Shop:
    """What stands behind the gateway of whole-process tests."""
    assert (sakila_postgres, sakila_mariadb) == ("sakila", "sakila")
    return Shop(postgres_server, mariadb_server, chinook_sqlite, make_slow_database(postgres_server, "slow"))


@pytest.fixture(scope="session")
def world(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """``hfitd serve`` with everything, on a Redis of its own, and its people. Leave it as it is.

    The canary sweep of the whole suite: e-mails are masked for everybody here, so whatever the tests did, none stands
    in a log, the audit, the store, the spool or a package when the last of them has ended.
    """
    folder = tmp_path_factory.mktemp("world")
    with redis.redis() as store, running_world(folder, shop, redis_store(store)) as running:
        yield running
        assert redis_keys_with(store, RAW_EMAIL) == []
    assert files_with(folder, RAW_EMAIL) == []


@pytest.fixture
def small(chinook_sqlite: Path, tmp_path: Path) -> Iterator[Daemon]:
    """A daemon with a SQLite provider, a volume and the embedded store, for tests that harm theirs."""
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.log").write_text("a line\n")
    with running(Daemon(tmp_path, small_config(tmp_path, chinook_sqlite))) as daemon:
        yield daemon
