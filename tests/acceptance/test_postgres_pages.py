"""The tutorials beside a PostgreSQL: every block runs as it stands, in the hands of the one it speaks to."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.live.daemon import Daemon, Person, make_key, provider, role, run, running
from tests.live.servers import Server
from tests.live.world import EVERYTHING
from tests.support.pages import blocks, run_shell

BIN = Path(sys.executable).parent
Beside = tuple[Daemon, Person, Person, Person]
PAGES_CONFIG = "/etc/hfitd/config.toml"
MASKS = """
[policy]
mask_key = "a mask key for tests only, 32 or more"
[[policy.mask]]
columns = "*/*/*.email"
mask = "email"
[[policy.mask]]
columns = ["*/*/*.first_name", "*/*/*.last_name"]
mask = "person_name"
[[policy.clear]]
columns = ["*/*/*.*"]
"""
CASE = """hfitVersion: 1
templateName: customer-case
packageName: case-${customer_id}
parameters: {customer_id: {type: integer, required: true}}
exports:
  customer.sql:
    {type: table-data, data: {dbms: shop_pg, table: public.customer, filter: "customer_id = ${customer_id}"}}
"""


@pytest.fixture(scope="module")
def beside(postgres_server: Server, sakila_postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beside]:
    """A gateway beside a PostgreSQL; Ann, who shares a template, Bob, who has none yet, and Dana, the data owner."""
    owner = role("owner", "rows:**", "ddl:**", "template.run:*", "template.approve:*", "audit.read:**")
    body = [provider("shop_pg", postgres_server, sakila_postgres), MASKS, role("developer", *EVERYTHING), owner,
            role("tests", "rows:**", "ddl:**", "template.run:*")]  # fmt: skip
    with running(Daemon(tmp_path_factory.mktemp("b"), "\n".join(body))) as daemon:
        ann, bob = (daemon.add_person(f"{name}@example.org", "developer") for name in ("ann", "bob"))
        dana = daemon.add_person("dana@example.org", "owner")
        (ann.folder / "case.yaml").write_text(CASE)
        share = (ann, "pkg-tmpl", "create", "case.yaml"), (ann, "pkg-tmpl", "share", "customer-case")
        for who, *words in ((dana, "login"), (ann, "login"), (bob, "login"), *share):
            done = daemon.hfit(who, *words)
            assert done.code == 0, done.err
        yield daemon, ann, bob, dana


def environment(daemon: Daemon, person: Person) -> Mapping[str, str]:
    """Of a shell in which ``hfit`` is this person and ``hfitd`` this gateway."""
    kept = {name: value for name, value in daemon.client_environment(person).items() if name.startswith("HFIT_")}
    return {**kept, "HFITD_CONFIG": str(daemon.config), "PATH": f"{BIN}:/usr/bin:/bin"}


def test_every_command_beside_production_runs(beside: Beside) -> None:
    daemon, ann, _, dana = beside
    assert daemon.hfit(ann, "pkg-download", "customer-case", "42").code == 0
    script = "\n".join(blocks("docs/beside-production.md", "sh")).replace(PAGES_CONFIG, str(daemon.config))
    done = run_shell(script, dana.folder, environment(daemon, dana))
    assert done.returncode == 0, done.stderr[-3000:]
    assert "GRANT SELECT" in (dana.folder / "role.sql").read_text()
    assert "165 columns of 28 tables" in (dana.folder / "proposal.toml").read_text()
    assert re.search("^.*ann@example.org.* done .*$", done.stdout, re.M)


def test_every_command_of_the_tutorial_on_integration_tests_runs_and_its_test_passes(
    beside: Beside, postgres_server: Server
) -> None:
    """But for pip, since everything is installed here; the test's server is that of the suite."""
    daemon, _, bob, _ = beside
    folder = bob.folder / "project"
    folder.mkdir()
    make_key(folder / "ci")
    shown = dict(environment(daemon, bob)) | {"HFIT_CACHE_DIR": str(folder.parent / "cache")}
    script = "\n".join(blocks("docs/integration-tests.md", "sh"))
    assert len(re.findall("^pip install .*$", script, re.M)) == 1
    done = run_shell("git init -q\n" + re.sub("^pip install .*$", "", script, flags=re.M), folder, shown)
    assert done.returncode == 0, done.stderr[-3000:]
    (block,) = blocks("docs/integration-tests.md", "python")
    server = f"{postgres_server.user}:{postgres_server.password}@{postgres_server.host}:{postgres_server.port}"
    (folder / "test_page.py").write_text(block.replace("postgresql://localhost", f"postgresql://{server}"))
    settings = ["-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function"]
    tested = run([sys.executable, "-m", "pytest", *settings, "test_page.py"], folder, shown)
    assert tested.code == 0, tested.out + tested.err
    assert "1 passed" in tested.out
