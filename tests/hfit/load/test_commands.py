"""``hfit load``, ``hfit verify --target`` and ``hfit explain`` as a user types them."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hfit.client import Client
from hfit.errors import TargetDiffers
from tests.hfit.conftest import Hfit
from tests.support.package_writer import Package, PackageKey
from tests.support.whole_packages import Content

GRAPH = {
    "format": 1,
    "subsets": [
        {
            "member": "01.sql", "provider": "shop", "database": "main",
            "steps": [
                {"foreign_key": "node_up", "from": "main.node", "to": "main.node", "from_columns": ["up"],
                 "to_columns": ["id"]},
                {"foreign_key": "leaf_node", "from": "main.node", "to": "main.leaf", "from_columns": ["id"],
                 "to_columns": ["node"]},
            ],
            "tables": [
                {"table": "main.leaf", "key": ["node", "n"], "rows": [[["2", "x"], [1, 1]]]},
                {"table": "main.node", "key": ["id"], "rows": [[["1"], None], [["2"], [0, 0]]]},
                {"table": "main.loose", "key": [], "rows": [[["#3"], None]]},
            ],
        }
    ],
}  # fmt: skip


def content() -> Content:
    made = Content("sqlite", "main")
    made.add_ddl("00.sql", b'CREATE TABLE "node" ("id" INTEGER PRIMARY KEY, "up" int);\n')
    made.add_rows("01.sql", b'INSERT INTO "node" ("id", "up") VALUES\n(1,NULL),\n(2,1);\n', "main.node", 2)
    made.files["METADATA/graph.json"] = json.dumps(GRAPH).encode()
    return made


@pytest.fixture(params=["folder", "archive"])
def package(request: pytest.FixtureRequest, tmp_path: Path, package_key: PackageKey) -> Path:
    made = content()
    place = made.write(tmp_path, package_key)
    if request.param == "folder":
        return place

    def edit(manifest: dict[str, Any]) -> None:
        manifest["sources"] = [{"provider": "shop", "database": "main", "engine": "sqlite"}]
        for member in manifest["members"]:
            member.update(made.details.get(member["path"], {}))

    archive = tmp_path / "whole.tar.gz"
    archive.write_bytes(Package(package_key, made.files, "whole", edit=edit).archive())
    return archive


def test_a_package_is_loaded_verified_and_refused_the_second_time(
    hfit: Hfit, package: Path, package_key: PackageKey, work: Path
) -> None:
    options = ["--key", package_key.fingerprint]
    dry = hfit("load", package, "--into", "sqlite:///new.db", "--dry-run", *options)
    assert (dry.code, (work / "new.db").exists()) == (0, False)
    done = hfit("--json", "load", package, "--into", "shop=sqlite:///new.db", *options)
    assert done.code == 0, done.err
    (report,) = json.loads(done.out)["loads"]
    assert (report["mode"], report["rows"], report["dry_run"]) == ("create", {"main.node": 2}, False)
    again = hfit("load", package, "--into", "sqlite:///new.db", *options)
    assert again.code == 6
    assert "--mode" in again.err
    verified = hfit("--json", "verify", package, "--target", "sqlite:///new.db", *options)
    assert verified.code == 0
    assert json.loads(verified.out)["tables"] == {"main.node": 2}
    with closing(sqlite3.connect(work / "new.db")) as connection:
        connection.execute("UPDATE node SET up = 7 WHERE id = 2")
        connection.commit()
    different = hfit("verify", package, "--target", "sqlite:///new.db", *options)
    assert different.code == 5
    assert "main.node differs where id is 2: column up differs" in different.err


def test_an_altered_package_is_not_loaded(hfit: Hfit, package: Path, package_key: PackageKey, work: Path) -> None:
    victim = package / "01.sql" if package.is_dir() else package
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    done = hfit("load", package, "--into", "sqlite:///new.db", "--key", package_key.fingerprint)
    assert done.code == 5
    assert not (work / "new.db").exists()


def test_a_package_of_an_unknown_key_is_not_loaded(hfit: Hfit, package: Path, work: Path) -> None:
    assert hfit("load", package, "--into", "sqlite:///new.db").code == 5
    assert not (work / "new.db").exists()


def test_the_chain_of_a_row_is_explained_from_the_root(hfit: Hfit, package: Path, package_key: PackageKey) -> None:
    options = ["--key", package_key.fingerprint]
    done = hfit("explain", package, "leaf", "2,x", *options)
    assert done.code == 0, done.err
    assert [line.strip() for line in done.out.splitlines()] == [
        "main.node (id=1)  root",
        "main.node (id=2)  by node_up: up -> id",
        "main.leaf (node=2, n=x)  by leaf_node: id -> node",
    ]
    as_json = hfit("--json", "explain", package, "main.loose", "#3", *options)
    assert json.loads(as_json.out) == {"chain": [{"table": "main.loose", "key": {"": "#3"}, "foreign_key": None}]}
    assert hfit("explain", package, "leaf", "2,y", *options).code == 4
    assert hfit("explain", package, "other", "1", *options).code == 4


@pytest.mark.parametrize(
    "arguments",
    [
        ["postgresql://me:s3cr3t@localhost/x"],
        ["--into", "postgresql://me:s3cr3t@127.0.0.1:1/x"],
        ["--into", "mysql://me:s3cr3t@127.0.0.1:1/x", "-v"],
        ["--into", "postgresql://me:s3cr3t@db.example.com/x"],
        ["--into", "oracle://me:s3cr3t@localhost/x"],
        ["--into", "postgresql://me:s3cr3t@localhost:port/x"],
        ["--into=postgresql://me:s3cr3t@localhost/x?what=ever", "--json"],
        ["--intoo=postgresql://me:s3cr3t@localhost/x"],
        ["--map-database", "postgresql://me:s3cr3t@localhost/x", "--into", "sqlite:///a.db"],
        ["--mode", "postgresql://me:s3cr3t@localhost/x", "--into", "sqlite:///a.db"],
        ["--into", "shop=mysql://me:s3cr3t@localhost/x", "--into", "shop=mysql://me:s3cr3t@localhost/x"],
    ],
)
def test_a_password_is_never_printed(
    hfit: Hfit, package: Path, package_key: PackageKey, arguments: list[str]
) -> None:
    done = hfit("load", package, "--key", package_key.fingerprint, *arguments)
    assert done.code != 0
    assert "s3cr3t" not in done.err + done.out


def test_progress_is_shown_in_rows_on_a_terminal(package: Path, package_key: PackageKey, work: Path) -> None:
    controller, terminal = pty.openpty()
    argv = [sys.executable, "-m", "hfit", "load", str(package), "--key", package_key.fingerprint]
    done = subprocess.run([*argv, "--into", "sqlite:///bar.db"], cwd=work, stderr=terminal, check=False)
    os.close(terminal)
    shown = b""
    with contextlib.suppress(OSError):
        while piece := os.read(controller, 65536):
            shown += piece
    os.close(controller)
    assert done.returncode == 0
    assert b"load" in shown and b"2/2" in shown and b"rows" in shown


def test_a_dry_run_says_what_would_be_done(hfit: Hfit, package: Path, package_key: PackageKey, work: Path) -> None:
    done = hfit("load", package, "--into", "sqlite:///new.db", "--dry-run", "--key", package_key.fingerprint)
    assert "Would be done in new.db: 00.sql: create node" in done.err
    assert "Would be done in new.db: 01.sql: insert into node" in done.err
    assert "2 rows would be loaded into new.db (mode create)." in done.err


def test_python_has_the_same_verbs(package: Path, package_key: PackageKey, work: Path) -> None:
    client, key = Client("http://127.0.0.1:1"), package_key.fingerprint
    (dry,) = client.load(package, "sqlite:///own.db", dry_run=True, key=key)
    assert dry.dry_run and dry.steps[0] == "00.sql: create node"
    (report,) = client.load(package, "shop=sqlite:///own.db", key=key)
    assert client.compare(package, "sqlite:///own.db", key=key) == dict(report.rows) == {"main.node": 2}
    assert [link.words() for link in client.explain(package, "node", "1", key=key)] == ["main.node (id=1)  root"]
    with closing(sqlite3.connect(work / "own.db")) as connection:
        connection.execute("DELETE FROM node")
        connection.commit()
    with pytest.raises(TargetDiffers, match="the row is missing"):
        client.compare(package, ["shop=sqlite:///own.db"], key=key)
