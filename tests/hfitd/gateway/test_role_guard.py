"""A provider whose role can do more than read is not used, from the first moment on (O13)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from hfitd.check import check_all
from hfitd.config.model import Config, ProviderConfig, Secret, ServerConfig
from hfitd.engines.interface import Engine
from hfitd.engines.table import open_engine
from hfitd.errors import DbUnavailable, StartRefused
from hfitd.gateway import role_guard
from hfitd.gateway.role_guard import GuardedEngine, refuse_excess
from hfitd.observe.observer import Observer
from tests.live.daemon import Daemon, provider, role
from tests.live.databases import run_sql
from tests.live.servers import Server, free_port
from tests.support.engine_worlds import postgres_provider
from tests.support.mysql_world import mysql_provider

PASSWORD = "guard-password"


@dataclass(frozen=True)
class Site:
    """A server with a database and a role that may only read it."""

    server: Server
    strong: ProviderConfig
    weak: ProviderConfig
    grant: str
    revoke: str

    def sql(self, script: str) -> None:
        """Run a script as superuser."""
        run_sql(self.server, script, self.strong.database)


@pytest.fixture
def postgres_site(postgres_server: Server, postgres_database: str) -> Iterator[Site]:
    name = f"guarded_{postgres_database}"
    strong = postgres_provider(postgres_server, postgres_database)
    site = Site(
        postgres_server,
        strong,
        replace(strong, user=name, password=Secret(PASSWORD)),
        f"GRANT INSERT ON t TO {name};",
        f"REVOKE INSERT ON t FROM {name};",
    )
    site.sql(f"CREATE TABLE t (id integer); CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}';"
             f" GRANT SELECT ON t TO {name};")  # fmt: skip
    yield site
    site.sql(f"DROP OWNED BY {name}; DROP ROLE {name};")


@pytest.fixture
def mariadb_site(mariadb_server: Server, mariadb_database: str) -> Iterator[Site]:
    name = "guarded@'127.0.0.1'"
    strong = mysql_provider(mariadb_server, mariadb_database)
    site = Site(
        mariadb_server,
        strong,
        replace(strong, user="guarded", password=Secret(PASSWORD)),
        f"GRANT INSERT ON t TO {name};",
        f"REVOKE INSERT ON t FROM {name};",
    )
    site.sql(f"CREATE TABLE t (id integer); CREATE OR REPLACE USER {name} IDENTIFIED BY '{PASSWORD}';"
             f" GRANT SELECT ON `{mariadb_database}`.* TO {name};")  # fmt: skip
    yield site
    site.sql(f"DROP USER {name};")


@pytest.fixture(params=["postgres_site", "mariadb_site"])
def site(request: pytest.FixtureRequest) -> Site:
    """The same on every server that has roles."""
    found: Site = request.getfixturevalue(request.param)
    return found


@asynccontextmanager
async def guarded(config: ProviderConfig) -> AsyncIterator[GuardedEngine]:
    engine = GuardedEngine(open_engine(config))
    try:
        yield engine
    finally:
        await engine.close()


async def reads(engine: Engine) -> bool:
    """Whether a snapshot opens."""
    async with engine.snapshot() as snapshot:
        return bool((await snapshot.catalog()).tables)


async def test_o13_a_role_that_only_reads_is_used(site: Site) -> None:
    async with guarded(site.weak) as engine:
        assert await reads(engine)
        assert engine.name == "shop" and engine.dialect.name
        assert site.weak.database in await engine.databases()
        await refuse_excess([engine], Observer())


async def test_o13_a_strong_role_is_not_used_before_anybody_asked(site: Site) -> None:
    async with guarded(site.strong) as engine:
        with pytest.raises(DbUnavailable, match="more than read") as refused:
            await reads(engine)
        assert refused.value.resource == "shop"
        with pytest.raises(DbUnavailable, match="more than read"):
            await engine.databases()


async def test_o13_the_start_names_every_provider_and_the_way_to_allow_it(
    postgres_site: Site, mariadb_site: Site
) -> None:
    engines = [GuardedEngine(open_engine(site.strong)) for site in (postgres_site, mariadb_site)]
    engines.append(GuardedEngine(open_engine(postgres_site.weak)))
    with pytest.raises(StartRefused) as refused:
        await refuse_excess(engines, Observer())
    assert len(refused.value.reasons) == 2
    for line in refused.value.reasons:
        assert 'server.insecure = ["db-role"]' in line and "\n" not in line
        assert postgres_site.server.password not in line
    for engine in engines:
        await engine.close()


async def test_o13_a_silent_provider_does_not_stop_the_start_and_is_not_used_unasked(site: Site) -> None:
    async with guarded(replace(site.strong, port=free_port())) as engine:
        await refuse_excess([engine], Observer())
        with pytest.raises(DbUnavailable):
            await reads(engine)


async def test_o13_a_right_taken_away_helps_at_once_and_one_given_is_seen_later(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with guarded(site.weak) as engine:
        site.sql(site.grant)
        with pytest.raises(DbUnavailable, match="more than read"):
            await reads(engine)
        site.sql(site.revoke)
        assert await reads(engine)
        site.sql(site.grant)
        assert await reads(engine), "asked a moment ago"
        assert (await engine.check()).excess
        with pytest.raises(DbUnavailable, match="more than read"):
            await reads(engine)
        site.sql(site.revoke)
        monkeypatch.setattr(role_guard, "KEEP_SECONDS", -1.0)
        assert await reads(engine)
        site.sql(site.grant)
        with pytest.raises(DbUnavailable, match="more than read"):
            await reads(engine)


def test_o13_serve_ends_with_a_line_and_insecure_allows_it(
    postgres_site: Site, postgres_server: Server, tmp_path: Path
) -> None:
    reader = replace(postgres_server, user=postgres_site.weak.user, password=PASSWORD)
    database = postgres_site.strong.database
    body = provider("strong", postgres_server, database) + provider("weak", reader, database)
    body += provider("gone", replace(postgres_server, port=free_port()), database) + role("dev", "rows:**")
    body += '\n[policy]\nmask_key = "a mask key for tests only, 32 or more"\n'
    daemon = Daemon(tmp_path, body, {"insecure": '["secrets"]'})
    try:
        ran = daemon.hfitd("serve")
        assert ran.code == 1, ran.err
        (line,) = [line for line in ran.err.splitlines() if line.startswith("Provider ")]
        assert line.startswith("Provider strong: its role can do more than read (the role is a superuser).")
        assert 'server.insecure = ["db-role"]' in line
        assert '"provider": "gone"' in ran.err and "weak" not in ran.err
        assert not daemon.socket.exists()
        ran = daemon.hfitd("check", "--db", "strong")
        assert ran.code == 0 and "warn  provider strong: the role is a superuser" in ran.err
        daemon.write_config(body, {"insecure": '["secrets", "db-role"]'})
        daemon.start()
    finally:
        daemon.stop()


@pytest.mark.parametrize(
    ("changes", "message", "keys"),
    [
        ({"port": 1}, "does not answer", ("host", "port", "tls")),
        ({"password": Secret("wrong-canary")}, "refuses the login", ("user", "password")),
        ({"database": "canary_absent"}, "no such database", ("database",)),
    ],
)
async def test_check_says_which_provider_is_down_and_which_keys_to_look_at(
    site: Site, changes: dict[str, object], message: str, keys: tuple[str, ...]
) -> None:
    broken = replace(site.weak, **changes)  # type: ignore[arg-type]
    config = Config(ServerConfig(), providers={"shop": broken})
    (result,) = await check_all(config, database="*", store=False, volumes=False)
    assert (result.name, result.ok) == ("provider shop", False)
    assert message in result.detail and "[providers.shop]" in result.detail
    for key in keys:
        assert key in result.detail
    for secret in (broken.host, broken.user, "canary", PASSWORD):
        assert secret not in result.detail


async def test_check_names_the_path_key_of_a_missing_file(tmp_path: Path) -> None:
    config = Config(providers={"file": ProviderConfig("file", "sqlite", path=tmp_path / "canary.db")})
    (result,) = await check_all(config, database="file", store=False, volumes=False)
    assert not result.ok and "path in [providers.file]" in result.detail and "canary" not in result.detail
