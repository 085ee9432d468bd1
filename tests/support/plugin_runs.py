"""pytest processes with our plugin: what they run against, and how they are run."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from tests.live.servers import Server
from tests.support.fake_hfitd import FakeHfitd

ENGINES = {
    "sqlite": ("main", "INSERT INTO customer (id, name) VALUES (1,'Ann'),(2,'Bob');\n"),
    "postgresql": ("public", "COPY public.customer (id, name) FROM stdin;\n1\tAnn\n2\tBob\n\\.\n"),
    "mysql": ("shop", "INSERT INTO `customer` (`id`, `name`) VALUES (1,'Ann'),(2,'Bob');\n"),
}
INI = """[pytest]
addopts = --strict-markers -p no:cacheprovider
filterwarnings = error
"""
NO_DDL = "no-ddl"


def add_shop(fake: FakeHfitd, template: str, engine: str) -> None:
    """A package with one table of two rows; the template ``no-ddl`` leaves the table out."""
    schema, rows = ENGINES[engine]
    files = {"1-customer.sql": rows.encode()}
    if not template.startswith(NO_DDL):
        table = "public.customer" if engine == "postgresql" else "customer"
        files["0-schema.sql"] = f"CREATE TABLE {table} (id integer PRIMARY KEY, name varchar(20));\n".encode()
    counted = [{"table": f"{schema}.customer", "rows": 2, "masks": {}}]

    def edit(document: dict[str, Any]) -> None:
        document["sources"] = [{"provider": "shop", "engine": engine, "database": "shop"}]
        for member in document["members"]:
            if member["path"].endswith(".sql"):
                ddl = member["path"].startswith("0")
                member.update({"engine": engine, "kind": "ddl"} if ddl else {"engine": engine, "tables": counted})

    fake.add_package(template, files).edit = edit


def run_pytest(work: Path, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """pytest on one file, with our plugin and, for ``-n``, xdist; others only cost time to import."""
    (work / "test_it.py").write_text("import pytest\n" + textwrap.dedent(text))
    plugins = ["-p", "hfit.pytest_plugin", *(["-p", "xdist.plugin"] if "-n" in arguments else [])]
    argv = [sys.executable, "-m", "pytest", "-q", *plugins, f"--basetemp={work.parent / 'basetemp'}", *arguments]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
    return subprocess.run(
        argv, cwd=work, env=environment, capture_output=True, text=True, timeout=100, check=False
    )


def passed(done: subprocess.CompletedProcess[str], count: int) -> bool:
    assert done.returncode == 0, done.stdout + done.stderr
    return f"{count} passed" in done.stdout


def url_of(server: Server, database: str) -> str:
    return f"{server.kind}://{server.user}:{server.password}@{server.host}:{server.port}/{database}"
