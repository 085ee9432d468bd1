"""Whole Sakila, a file a table: its tables refer to each other in a circle, and psql loads it in the order given."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from tests.live.databases import run_sql
from tests.live.world import World

TABLES = [
    *("actor", "address", "category", "city", "country", "customer", "film", "film_actor", "film_category"),
    *("inventory", "language", "payment", "rental", "staff", "store"),
]


def test_files_of_a_circle_load_by_psql_and_every_foreign_key_is_there_again(
    world: World, postgres_database: str, tmp_path: Path
) -> None:
    exports = ["  schema.sql: {type: dbcreate, data: {dbms: shop_pg, tablelist: [public]}}"]
    exports += [f"  {table}.sql: {{type: table-data, data: {{dbms: shop_pg, table: {table}}}}}" for table in TABLES]
    template = tmp_path / "circle.yaml"
    head = ["hfitVersion: 1", "templateName: circle", "packageName: circle", "exports:"]
    template.write_text("\n".join([*head, *exports]))
    assert world.daemon.hfit(world.dev, "login").code == 0
    created = world.daemon.hfit(world.dev, "pkg-tmpl", "create", template)
    assert created.code == 0, created.err
    got = world.daemon.hfit(world.dev, "pkg-download", "circle", "-o", tmp_path / "circle")
    assert got.code == 0, got.err
    manifest = json.loads((tmp_path / "circle" / "METADATA" / "manifest.json").read_text())
    ordered = sorted((m for m in manifest["members"] if m.get("load_order")), key=lambda m: m["load_order"])
    assert [m["path"] for m in ordered][-1] == "schema-constraints.sql"
    assert not any("dangling" in member for member in manifest["members"])
    server = world.shop.postgres
    environment = os.environ | {"PGPASSWORD": server.password}
    place = ["-h", server.host, "-p", str(server.port), "-U", server.user, "-d", postgres_database]
    for member in ordered:
        file = tmp_path / "circle" / member["path"]
        done = subprocess.run(
            ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *place, "-f", file],
            env=environment,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
    counted = "select count(*) from pg_constraint where contype = 'f'"
    assert run_sql(server, counted, postgres_database) == run_sql(server, counted, "sakila")
    rows = {m["table"]: m["rows"] for m in ordered if m["kind"] == "data"}
    for table in TABLES:
        loaded = run_sql(server, f"select count(*) from {table}", postgres_database).strip()
        assert loaded == str(rows[f"public.{table}"])
