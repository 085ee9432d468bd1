"""A subset as a user asks for it: planned, downloaded, verified and loaded with the servers' own clients."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.live.databases import fresh_database, run_sql
from tests.live.world import World

SUBSET = """hfitVersion: 1
templateName: rental-case
packageName: rental-${rental_id}
parameters:
  rental_id: {type: integer, required: true}
exports:
  pg_schema.sql: {type: dbcreate, data: {dbms: shop_pg, tablelist: [public]}}
  pg_case.sql:
    type: subset
    data:
      dbms: shop_pg
      roots: [{table: public.rental, where: "rental_id = ${rental_id}"}]
      children: all
      limits: {max_rows: 1000}
  my_schema.sql: {type: dbcreate, data: {dbms: shop_my, tablelist: [sakila]}}
  my_case.sql: {type: subset, provider: shop_my, roots: [{table: rental, where: "rental_id = ${rental_id}"}]}
  music.sql: {type: subset, provider: music, children: all,
    roots: [{table: Invoice, where: "InvoiceId = ${rental_id}"}]}
"""


@pytest.fixture(scope="session")
def package(world: World) -> Path:
    """The package of rental 1, in a folder of its own."""
    work = world.dev.folder / "subset"
    work.mkdir()
    (work / "rental.yaml").write_text(SUBSET)
    for words in ("login", "pkg-tmpl create rental.yaml", "pkg-download rental-case rental_id=1"):
        done = world.daemon.hfit(world.dev, *words.split(), cwd=work)
        assert done.code == 0, done.err
    return work / "rental-1"


def members(package: Path) -> dict[str, dict[str, object]]:
    manifest = json.loads((package / "METADATA/manifest.json").read_bytes())
    return {member["path"]: member for member in manifest["members"]}


def test_the_plan_shows_the_path_to_every_table(package: Path, world: World) -> None:
    done = world.daemon.hfit(world.dev, "--json", "pkg-plan", "rental-case", "rental_id=1", cwd=package.parent)
    assert done.code == 0, done.err
    plan = json.loads(done.out)
    (export,) = (export for export in plan["exports"] if export["key"] == "pg_case.sql")
    paths = {table["table"]: table["path"] for table in export["tables"]}
    assert paths["public.rental"] == ["public.rental"]
    assert paths["public.country"][0] == "public.rental" and len(paths["public.country"]) > 2


def test_the_manifest_lists_the_tables_of_the_subset(package: Path) -> None:
    (case, *_) = (member for path, member in members(package).items() if path == "pg_case.sql")
    tables = {entry["table"]: entry for entry in case["tables"]}  # type: ignore[attr-defined]
    assert tables["public.rental"]["rows"] == 1
    assert tables["public.customer"]["masks"] == {"email": "hash", "last_name": "const"}
    assert case["rows"] == sum(entry["rows"] for entry in tables.values()) == 41


def test_the_package_verifies_with_its_graph(package: Path, world: World) -> None:
    done = world.daemon.hfit(world.dev, "verify", str(package), cwd=package.parent)
    assert done.code == 0, done.err
    graph = json.loads((package / "METADATA/graph.json").read_bytes())
    assert [subset["member"] for subset in graph["subsets"]] == ["pg_case.sql", "my_case.sql", "music.sql"]
    assert "METADATA/graph.json" in members(package)


def test_the_subset_loads_with_psql_after_the_packages_own_schema(package: Path, world: World) -> None:
    server = world.shop.postgres
    with fresh_database(server) as name:
        for member in ("pg_schema.sql", "pg_case.sql"):
            run_sql(server, (package / member).read_bytes(), name)
        assert run_sql(server, "SELECT count(*) FROM rental", name) == "1\n"
        unproved = "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND NOT convalidated"
        assert run_sql(server, unproved, name) == "0\n"


def test_the_subset_loads_with_the_mariadb_client_after_the_packages_own_schema(package: Path, world: World) -> None:
    server = world.shop.mariadb
    with fresh_database(server) as name:
        for member in ("my_schema.sql", "my_case.sql"):
            run_sql(server, (package / member).read_bytes(), name)
        assert run_sql(server, "SELECT COUNT(*) FROM rental", name) == "1\n"
