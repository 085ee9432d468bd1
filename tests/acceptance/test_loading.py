"""What the daemon exports, hfit loads: a masked subset of three providers, compared and explained."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.live.databases import fresh_database
from tests.live.servers import find_binary
from tests.live.world import World

TEMPLATE = """hfitVersion: 1
templateName: loading-case
packageName: loading-${rental_id}
parameters:
  rental_id: {type: integer, required: true}
exports:
  pg_schema.sql: {type: dbcreate, data: {dbms: shop_pg, tablelist: [public]}}
  pg_case.sql: {type: subset, provider: shop_pg, roots: [{table: public.rental, where: "rental_id = ${rental_id}"}], children: all}
  my_schema.sql: {type: dbcreate, data: {dbms: shop_my, tablelist: [sakila]}}
  my_case.sql: {type: subset, provider: shop_my, roots: [{table: rental, where: "rental_id = ${rental_id}"}], children: all}
  music_schema.sql: {type: dbcreate, data: {dbms: music, tablelist: [main]}}
  music.sql: {type: subset, provider: music, roots: [{table: Invoice, where: "InvoiceId = ${rental_id}"}], children: all}
"""  # noqa: E501 - one export a line


@pytest.fixture(scope="session")
def package(world: World) -> Path:
    """The package of rental 1, in a folder of its own."""
    work = world.dev.folder / "loading"
    work.mkdir()
    (work / "t.yaml").write_text(TEMPLATE)
    for arguments in (("login",), ("pkg-tmpl", "create", "t.yaml"), ("pkg-download", "loading-case", "rental_id=1")):
        done = world.daemon.hfit(world.dev, *arguments, cwd=work)
        assert done.code == 0, done.err
    return work / "loading-1"


def test_a_subset_of_three_providers_is_loaded_compared_and_explained(package: Path, world: World) -> None:
    def hfit(*arguments: str) -> str:
        done = world.daemon.hfit(world.dev, *arguments, cwd=package.parent)
        assert done.code == 0, done.err
        return done.out

    with fresh_database(world.shop.postgres) as first, fresh_database(world.shop.mariadb) as second:
        urls = [
            f"shop_pg={world.shop.postgres.url(first)}",
            f"shop_my={world.shop.mariadb.url(second)}",
            "music=sqlite:///music.db",
        ]
        intos = [part for url in urls for part in ("--into", url)]
        targets = [part for url in urls for part in ("--target", url)]
        report = json.loads(hfit("--json", "load", str(package), *intos))
        loads = {load["provider"]: load for load in report["loads"]}
        assert loads["shop_pg"]["rows"]["public.rental"] == 1
        assert loads["shop_my"]["rows"]["sakila.customer"] == 1
        assert loads["music"]["rows"]["main.Invoice"] == 1
        assert [load["notes"] for load in loads.values()] == [[], [], []]
        hfit("verify", str(package), *targets)
        for mode in ("replace", "upsert"):
            hfit("load", str(package), *intos, "--mode", mode)
        hfit("verify", str(package), *targets)
        refused = world.daemon.hfit(world.dev, "load", str(package), *intos, cwd=package.parent)
        assert refused.code == 6
        hfit("verify", str(package), *targets)
    graph = json.loads((package / "METADATA/graph.json").read_bytes())
    for subset in graph["subsets"]:
        for table in subset["tables"]:
            shown = hfit("explain", str(package), table["table"], ",".join(table["rows"][-1][0]))
            assert shown.splitlines()[0].endswith("root")


def stream(world: World, cwd: Path, provider: str, consumer: list[str], secret: dict[str, str]) -> tuple[int, int, str]:
    """``hfit pkg-download ... --stream-sql | consumer``: both exit codes, and what hfit said."""
    arguments = ["pkg-download", "loading-case", "rental_id=1", "--stream-sql", "--provider", provider]
    environment = world.daemon.client_environment(world.dev)
    argv = world.daemon.client_argv(*arguments)
    with subprocess.Popen(argv, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as producer:
        assert producer.stderr is not None
        done = subprocess.run(
            consumer, stdin=producer.stdout, env=os.environ | secret, capture_output=True, check=False
        )
        assert producer.stdout is not None
        producer.stdout.close()
        said = producer.stderr.read().decode()
    return producer.returncode, done.returncode, said


def test_streamed_sql_loads_by_the_servers_own_clients(package: Path, world: World) -> None:
    """Sakila's tables refer to each other in circles."""
    pg, my = world.shop.postgres, world.shop.mariadb
    with fresh_database(pg) as first, fresh_database(my) as second:
        psql = [str(find_binary("psql", "HFIT_TEST_PG_BIN", "postgresql-client")), "-Xq", "-v", "ON_ERROR_STOP=1"]
        psql += ["-h", pg.host, "-p", str(pg.port), "-U", pg.user, "-d"]
        mysql = [str(find_binary("mariadb", "HFIT_TEST_MYSQL_BIN", "mariadb-client-core")), "--no-defaults"]
        mysql += [f"--host={my.host}", f"--port={my.port}", f"--user={my.user}"]
        mysql += ["--protocol=tcp", "--default-character-set=utf8mb4"]
        secrets = {"PGPASSWORD": pg.password, "MYSQL_PWD": my.password}
        assert stream(world, package.parent, "shop_pg", [*psql, first], secrets) == (0, 0, "")
        assert stream(world, package.parent, "shop_my", [*mysql, second], secrets) == (0, 0, "")
        for target in (f"shop_pg={pg.url(first)}", f"shop_my={my.url(second)}"):
            done = world.daemon.hfit(world.dev, "verify", str(package), "--target", target, cwd=package.parent)
            assert done.code == 0, done.err
        again, ended, said = stream(world, package.parent, "shop_pg", [*psql, first], secrets)
        assert ended == 3  # psql stops at the first table, which is there
        assert again == 0 or (again, "ended before all of it was written" in said) == (1, True)


def test_only_some_of_the_providers_are_not_loaded_by_mistake(package: Path, world: World) -> None:
    done = world.daemon.hfit(world.dev, "load", str(package), "--into", "music=sqlite:///some.db", cwd=package.parent)
    assert (done.code, "Where 'shop_my' goes is not said" in done.err) == (2, True)
    assert not (package.parent / "some.db").exists()
