"""What the daemon exports, hfit loads: a masked subset of three providers, compared and explained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.live.databases import fresh_database
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
