"""A subset as a user asks for it: planned, downloaded, verified and loaded with the servers' own clients."""

from __future__ import annotations

import json
import shutil
import sqlite3
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

ACROSS = """hfitVersion: 1
templateName: across
packageName: across-${rental_id}
parameters:
  rental_id: {type: integer, required: true}
exports:
  pg_schema.sql: {type: dbcreate, data: {dbms: shop_pg, tablelist: [public]}}
  my_schema.sql: {type: dbcreate, data: {dbms: shop_my, tablelist: [sakila]}}
  case.sql:
    type: subset
    data:
      dbms: shop_pg
      roots: [{table: public.rental, where: "rental_id = ${rental_id}"}]
      virtual_keys:
        - {from: public.rental.inventory_id, to: "shop_my:inventory.inventory_id"}
        - {from: "shop_my:store.store_id", to: "public.store.store_id"}
        - {from: public.rental.customer_id, to: "music:Customer.CustomerId"}
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
    assert export["requires"] == []  # Sakila loads into every release
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


@pytest.fixture(scope="session")
def across(package: Path, world: World) -> Path:
    """A package of a subset that goes from PostgreSQL to MariaDB and back, and to SQLite."""
    (package.parent / "across.yaml").write_text(ACROSS)
    for words in ("pkg-tmpl create across.yaml", "pkg-download across rental_id=1"):
        done = world.daemon.hfit(world.dev, *words.split(), cwd=package.parent)
        assert done.code == 0, done.err
    return package.parent / "across-1"


def test_a_subset_over_three_providers_has_a_member_and_a_source_of_each(across: Path) -> None:
    listed = members(across)
    assert {"case.sql", "case-shop_my.sql", "case-music.sql"} <= listed.keys()
    assert [listed[name]["provider"] for name in ("case.sql", "case-shop_my.sql")] == ["shop_pg", "shop_my"]
    tables = {entry["table"] for entry in listed["case-shop_my.sql"]["tables"]}  # type: ignore[attr-defined]
    assert {"sakila.inventory", "sakila.film", "sakila.store", "sakila.country"} <= tables
    manifest = json.loads((across / "METADATA/manifest.json").read_bytes())
    assert {source["provider"] for source in manifest["sources"]} == {"shop_pg", "shop_my", "music"}
    assert manifest["snapshot_skew_seconds"] > 0


def test_the_plan_of_several_providers_says_where_each_table_is(across: Path, world: World) -> None:
    done = world.daemon.hfit(world.dev, "pkg-plan", "across", "rental_id=1", cwd=across.parent)
    assert done.code == 0, done.err
    (line,) = (line for line in done.out.splitlines() if line.startswith("shop_my/sakila: sakila.film "))
    assert "public.rental > shop_my:sakila.inventory (public.rental" in line


def test_explain_goes_from_one_provider_to_the_other(across: Path, world: World) -> None:
    rental = json.loads((across / "METADATA/graph.json").read_bytes())["subsets"][0]
    inventory = next(entry for entry in rental["tables"] if entry["table"] == "sakila.inventory")
    ((key,), _) = inventory["rows"][0]
    done = world.daemon.hfit(world.dev, "explain", str(across), "shop_my:inventory", key, cwd=across.parent)
    assert done.code == 0, done.err
    assert "public.rental (rental_id=1)  root" in done.out
    assert f"shop_my:sakila.inventory (inventory_id={key})  by public.rental.inventory_id -> shop_my:" in done.out


def test_a_package_of_three_providers_loads_and_loads_again(across: Path, world: World) -> None:
    shop, target = world.shop, across.parent / "music.db"
    shutil.copy(shop.music, target)
    with sqlite3.connect(target) as music:
        names = [name for (name,) in music.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        for name in names:
            music.execute(f'DELETE FROM "{name}"')
    music.close()
    with fresh_database(shop.postgres) as pg, fresh_database(shop.mariadb) as my:
        into = ["--into", f"shop_pg={shop.postgres.url(pg)}", "--into", f"shop_my={shop.mariadb.url(my)}",
                "--into", f"music=sqlite:///{target}"]  # fmt: skip
        for member, server, name in (("pg_schema.sql", shop.postgres, pg), ("my_schema.sql", shop.mariadb, my)):
            run_sql(server, (across / member).read_bytes(), name)
        for mode in ("data", "replace"):
            done = world.daemon.hfit(world.dev, "load", str(across), *into, "--mode", mode, cwd=across.parent)
            assert done.code == 0, done.err
        assert run_sql(shop.postgres, "SELECT count(*) FROM rental", pg) == "1\n"
        assert run_sql(shop.mariadb, "SELECT COUNT(*) FROM inventory", my) == "1\n"


def test_a_provider_or_volume_that_is_not_there_is_said_when_the_template_is_saved(across: Path, world: World) -> None:
    files = "      files_from: {column: rental.x, volume: gone}\n      virtual_keys"
    wrong = {
        "provider `nowhere`": ("music:Customer", "nowhere:Customer"),
        "volume `gone`": ("      virtual_keys", files),
    }
    for name, (old, new) in wrong.items():
        text = ACROSS.replace(old, new).replace("templateName: across", "templateName: wrong")
        (across.parent / "wrong.yaml").write_text(text)
        done = world.daemon.hfit(world.dev, "pkg-tmpl", "create", "wrong.yaml", cwd=across.parent)
        assert done.code == 2 and f"There is no {name}" in done.err and "case.sql" in done.err
