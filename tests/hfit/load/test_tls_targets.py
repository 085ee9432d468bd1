"""Targets on another host: TLS as the URL says, verified unless it says otherwise. 127.1 is a host that is not known
to be this machine, and whose name no certificate has."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from hfit.errors import NetworkFailed, TargetRefused
from hfit.load.target import parse_target
from tests.live.databases import fresh_database, run_sql
from tests.live.servers import Server
from tests.support.whole_packages import Content, Load, Packed, Verify

NAMES = {"postgresql": ("sslmode", "sslrootcert"), "mysql": ("ssl-mode", "ssl-ca")}


def content(engine: str) -> Content:
    made = Content(engine, "shop")
    made.add_ddl("00.sql", b"CREATE TABLE t (a int PRIMARY KEY);\n")
    if engine == "postgresql":
        made.add_rows("01.sql", b'COPY "public"."t" ("a") FROM stdin;\n1\n\\.\n', "public.t", 1)
    else:
        made.add_rows("01.sql", b"INSERT INTO `t` (`a`) VALUES\n(1);\n", "shop.t", 1)
    return made


@pytest.fixture(params=["postgres", "mariadb"])
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(f"{request.param}_tls_server")
    return found


@pytest.fixture(params=["postgres", "mariadb"])
def plain(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(f"{request.param}_server")
    return found


def url(server: Server, database: str, mode: str | None, authority: Path | None = None, host: str = "127.0.0.1") -> str:
    mode_name, authority_name = NAMES[server.kind]
    options = [f"{mode_name}={mode}"] * (mode is not None) + [f"{authority_name}={authority}"] * (authority is not None)
    parts = urlsplit(server.url(database))
    return parts._replace(netloc=parts.netloc.replace("127.0.0.1", host), query="&".join(options)).geturl()


def test_a_verified_connection_loads(server: Server, packed: Packed, load: Load, verify: Verify) -> None:
    mode = {"postgresql": "verify-full", "mysql": "VERIFY_IDENTITY"}[server.kind]
    with fresh_database(server) as name:
        load(packed(content(server.kind)), url(server, name, mode, server.tls_ca))
        verify(packed(content(server.kind)), url(server, name, mode, server.tls_ca))
        assert run_sql(server, "SELECT a FROM t", name).strip() == "1"


def test_an_unknown_authority_or_another_name_is_refused(server: Server, packed: Packed, load: Load) -> None:
    path = packed(content(server.kind))
    with fresh_database(server) as name:
        for wrong in (
            url(server, name, "verify-full"),
            url(server, name, None, server.tls_ca, "127.1"),  # another host: verified unless the URL says otherwise
        ):
            with pytest.raises(NetworkFailed, match="cannot be reached") as caught:
                load(path, wrong, allow_remote=True)
            assert "certificate" in caught.value.reason.lower()
        with pytest.raises(TargetRefused, match=r"127\.1 is not this machine"):
            load(path, url(server, name, "require", None, "127.1"))
        load(path, url(server, name, "require", None, "127.1"), allow_remote=True)


def test_a_server_without_tls_is_left_before_the_password_is_sent(plain: Server, packed: Packed, load: Load) -> None:
    with pytest.raises(NetworkFailed):
        load(packed(content(plain.kind)), url(plain, "x", "require"))


def test_the_spellings_of_other_programs_are_understood() -> None:
    urls = {
        "postgresql+psycopg://u@h/x?sslmode=require": ("postgresql", "require"),
        "postgres://u@h/x": ("postgresql", "verify-full"),
        "mysql+pymysql://u@h/x?ssl_mode=REQUIRED": ("mysql", "require"),
        "mysql://u@h/x?ssl-mode=VERIFY_CA": ("mysql", "verify-full"),
        "mysql://u@localhost/x?tls=disable": ("mysql", "disable"),
        "sqlite+pysqlite:///x.db": ("sqlite", "disable"),
    }
    assert {text: (parse_target(text, {}).engine, parse_target(text, {}).tls) for text in urls} == urls
