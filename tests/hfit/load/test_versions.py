"""Packages between servers of different versions: newer ones take them, older ones say what is in the way."""

from __future__ import annotations

import pytest

from hfit.errors import LoadFailed
from hfit.load.interface import ServerName
from tests.live.databases import run_sql, value_digests
from tests.live.servers import Server
from tests.support.odd_databases import postgres_types
from tests.support.whole_packages import Load, Packed, Verify, provider_of, read_content


async def test_every_type_comes_to_a_newer_postgres_as_it_was(
    postgres_server: Server, postgres_database: str, postgres_new_server: Server, postgres_new_database: str,
    packed: Packed, load: Load, verify: Verify,
) -> None:  # fmt: skip
    run_sql(postgres_server, postgres_types(), postgres_database)
    path = packed(await read_content(provider_of(postgres_server, postgres_database)))
    url = postgres_new_server.url(postgres_new_database)
    (report,) = load(path, url)
    assert verify(path, url) == dict(report.rows)
    before = value_digests(postgres_server, postgres_database)
    assert value_digests(postgres_new_server, postgres_new_database) == before


async def test_what_an_older_server_does_not_know_is_refused_with_both_versions(
    postgres_server: Server, postgres_database: str, postgres_new_server: Server, postgres_new_database: str,
    packed: Packed, load: Load,
) -> None:  # fmt: skip
    script = "CREATE COLLATION newer (PROVIDER = builtin, LOCALE = 'C.UTF-8'); CREATE TABLE t (a text COLLATE newer)"
    run_sql(postgres_new_server, script, postgres_new_database)
    path = packed(await read_content(provider_of(postgres_new_server, postgres_new_database)))
    with pytest.raises(LoadFailed, match="refused") as failed:
        load(path, postgres_server.url(postgres_database))
    (told,) = failed.value.suggestions
    assert told.startswith("The package was made from PostgreSQL 17") and "PostgreSQL 15" in told
    assert "not changed" in failed.value.reason
    assert run_sql(postgres_server, "SELECT count(*) FROM pg_class WHERE relname = 't'", postgres_database) == "0\n"


@pytest.mark.parametrize(
    ("target", "takes"),
    [
        (("mariadb", "10.11.19"), True),
        (("mariadb", "11.4.2"), True),
        (("mariadb", "10.6.20"), False),
        (("mysql", "9.4.0"), False),
    ],
)
def test_a_server_takes_what_the_same_product_of_no_newer_version_made(target: tuple[str, str], takes: bool) -> None:
    source = ServerName("mariadb", "10.11.19-MariaDB-0+deb12u1")
    assert ServerName(*target).takes(source) is takes
    assert str(source).startswith("MariaDB 10.11")
