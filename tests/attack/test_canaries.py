"""The canary sweep: every masked or ungranted cell is a token, and no token leaves.

A developer without ``raw`` sends everything that is known against masks, by every door, on three engines. Afterwards
no answer, log, audit record, store record, spooled file or package holds a token.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import itertools
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
import pytest_asyncio
import yaml

from tests.live import redis
from tests.live.daemon import Daemon, provider, redis_store, role, running, sqlite_provider, volume
from tests.live.databases import fresh_database, run_sql
from tests.live.servers import Server
from tests.support.canaries import files_with, find_canary, redis_keys_with, unpacked
from tests.support.http import Answer, Api
from tests.support.query_corpus import read_corpus
from tests.support.query_worlds import CANARY, shop_script

TOKEN = "KANARIE"  # queries of the corpus guess at CANARY, so what the caller wrote is told from what leaks
NEEDLE = TOKEN.encode()
RUNS = read_corpus("attacks_runs.sql")
REFUSED = [*read_corpus("attacks_refused.sql"), *read_corpus("attacks_not_found.sql")]
MASKED_FILTERS, REFUSED_FILTERS = read_corpus("filters_masked.txt"), read_corpus("filters_refused.txt")
ENGINES = ("pg", "my", "lite")
TABLES = ("users", "orders", "items", "notes", "cells", "secret")
AT_ONCE = 6
BROKEN = 599  # what we call the status of a stream that broke off

POLICY = """
[policy]
mask_key = "a mask key for tests only, 32 or more"
[[policy.mask]]
columns = ["*/*/users.email"]
mask = "hash"
[[policy.mask]]
columns = ["*/*/users.name"]
mask = "const"
value = "anon"
[[policy.mask]]
columns = ["*/*/users.phone"]
mask = "null"
[[policy.mask]]
columns = ["*/*/users.token"]
mask = "drop"
[[policy.row_filter]]
table = "*/*/notes"
roles = ["developer"]
where = "tenant = 1"
[[policy.clear]]
columns = ["*/*/*.*"]
[limits]
requests_per_minute = 100000
concurrent_packages = 200
job_timeout = "20s"
"""
GRANTS = (
    "rows:**", "query:**", "ddl:**", "!rows:*/*/secret", "!ddl:*/*/secret", "!query:*/*/secret", "template.run:*",
    "template.edit:*", "template.share:*", "files.list:files/open/**", "files.read:files/open/**",
)  # fmt: skip


@dataclass
class Prey:
    """The daemon under attack and every answer it gave."""

    daemon: Daemon
    api: Api
    session: aiohttp.ClientSession
    databases: dict[str, str]
    store: Server
    answers: list[tuple[str, Answer]] = field(default_factory=list)

    async def send(self, what: str, method: str, path: str, **options: Any) -> Answer:
        """One request; its answer is kept and must hold no token, in the body or a header."""
        answer = await self._read(method, path, **options)
        self.answers.append((what, answer))
        heads = "\n".join(f"{name}: {value}" for name, value in answer.headers.items()).encode()
        assert not find_canary(unpacked(answer.body), NEEDLE), what
        assert not find_canary(heads, NEEDLE), what
        return answer

    async def _read(self, method: str, path: str, **options: Any) -> Answer:
        """The answer as far as it comes: a stream that breaks off is a failure, but its bytes are out."""
        headers = {**self.api.headers, **options.pop("headers", {})}
        async with self.session.request(method, self.api.url(path), headers=headers, **options) as response:
            body, status = b"", response.status
            try:
                async for piece in response.content.iter_any():
                    body += piece
            except aiohttp.ClientPayloadError:
                status = BROKEN
            return Answer(status, response.headers.copy(), body)

    async def send_all(self, requests: Sequence[tuple[str, str, str, dict[str, object]]]) -> list[Answer]:
        """Several of them, some at once."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(request: tuple[str, str, str, dict[str, object]]) -> Answer:
            async with gate:
                what, method, path, options = request
                return await self.send(what, method, path, **options)

        return await asyncio.gather(*(one(request) for request in requests))

    async def export(self, name: str, exports: dict[str, object], **rest: object) -> Answer:
        """Keep a template and download its package; the refusal when it is not kept."""
        text = yaml.safe_dump({"hfitVersion": 1, "templateName": name, "packageName": name, "exports": exports, **rest})
        kept = await self.send(text, "POST", "/packtmpl", data=text.encode(), headers=YAML)
        if kept.status != 201:
            return kept
        return await self.send(text, "POST", "/packdownload", json={"template_name": name, "compression": "none"})


YAML = {"Content-Type": "application/yaml"}
_names = itertools.count(1)


def make_files(folder: Path) -> None:
    """One file to have, one not."""
    for name, text in (("open/a.log", "a line\n"), ("closed/b.log", f"{TOKEN}-file\n")):
        path = folder / name
        path.parent.mkdir(parents=True)
        path.write_text(text)


def tokens(prefix: str, text_type: str) -> list[str]:
    """The statements of the shop with our token in every hidden cell."""
    return [statement.replace(CANARY, TOKEN) for statement in shop_script(prefix, text_type)]


def make_sqlite(path: Path) -> None:
    """The shop as a file."""
    connection = sqlite3.connect(path)
    for statement in tokens("", "text"):
        connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.fixture(scope="module")
def hunted(
    postgres_server: Server, mariadb_server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Daemon, dict[str, str], Server, Path]]:
    """The daemon on three engines and a Redis of its own; the databases lie outside of its folder."""
    folder, sources = tmp_path_factory.mktemp("prey"), tmp_path_factory.mktemp("sources")
    make_files(sources / "files")
    make_sqlite(sources / "shop.db")
    with fresh_database(postgres_server) as one, fresh_database(mariadb_server) as two, redis.redis() as store:
        run_sql(postgres_server, ";\n".join(tokens("public.", "text")) + ";", one)
        run_sql(mariadb_server, ";\n".join(tokens("", "varchar(200)")) + ";", two)
        body = "\n".join([
            provider("pg", postgres_server, one), provider("my", mariadb_server, two),
            sqlite_provider("lite", sources / "shop.db"), volume("files", sources / "files"), POLICY,
            role("developer", *GRANTS), redis_store(store),
        ])  # fmt: skip
        with running(Daemon(folder, body)) as daemon:
            yield daemon, {"pg": one, "my": two, "lite": "main"}, store, folder


@pytest_asyncio.fixture(scope="module")
async def prey(hunted: tuple[Daemon, dict[str, str], Server, Path]) -> AsyncIterator[Prey]:
    """The developer at the door."""
    daemon, databases, store, _ = hunted
    api = Api(daemon, daemon.add_person("dev@example.org", "developer"))
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield Prey(daemon, api, session, databases, store)


def test_the_sweep_finds_a_token_however_it_is_spelled(tmp_path: Path) -> None:
    token = b"KANARIE-email-7@example.com"
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.gz").write_bytes(gzip.compress(b"x" * 100 + token))
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"x" * 100 + token + bytes(200_000))[:-40])
    (tmp_path / "none").write_bytes(gzip.compress(b"masked"))
    assert [path.name for path in files_with(tmp_path, NEEDLE)] == ["cut.gz", "a.gz"]
    for spelled in (token.hex().upper(), quote(token.decode(), safe=""), token[::-1].decode(), "kanarie"):
        assert find_canary(spelled.encode(), NEEDLE)
    for lead in range(3):
        text = b"y" * lead + token
        assert find_canary(b"see " + base64.b64encode(text) + b".", NEEDLE)
    assert not find_canary(b"masked-12, kanari, " + base64.b64encode(b"nothing of the sort in here at all"), NEEDLE)




@pytest.mark.parametrize("name", ENGINES)
async def test_s21_to_s26_no_free_query_shows_a_token(prey: Prey, name: str) -> None:
    gate = asyncio.Semaphore(AT_ONCE)

    async def attack(query: str) -> int:
        async with gate:
            key = f"q{next(_names)}"
            answer = await prey.export(key, {"out.csv": {"type": "database", "provider": name, "query": query}})
            return answer.status

    statuses = await asyncio.gather(*(attack(query) for query in RUNS))
    assert statuses.count(200) > len(RUNS) / 2, statuses  # the sweep would prove nothing of queries that do not run
    assert not any(status in (500, 503) for status in statuses), statuses


@pytest.mark.parametrize("name", ENGINES)
async def test_s01_to_s20_no_refusal_shows_a_token(prey: Prey, name: str) -> None:
    turn = ENGINES.index(name)  # each query stands in an export on one engine and in a prepare step on the next
    texts = []
    for number, query in enumerate(REFUSED, turn):
        template = {"hfitVersion": 1, "templateName": f"r{number}", "packageName": "r"}
        if number % 2:
            export: dict[str, object] = {"type": "database", "provider": name, "query": query}
        else:
            export = {"type": "table-data", "data": {"dbms": name, "table": "cells", "filter": "s = ${v}"}}
            hdata = {"type": "dbquery", "dbms": name, "query": query}
            template["prepare"] = [{"setVar": "v", "from": "hot-data", "hdata": hdata}]
        texts.append(yaml.safe_dump({**template, "exports": {"out.csv": export}}))
    answers = await prey.send_all(
        [(text, "POST", "/packtmpl?dry_run=1", {"data": text.encode(), "headers": YAML}) for text in texts]
    )
    assert all(answer.status < 500 for answer in answers)
    assert sum(answer.status >= 400 for answer in answers) > len(REFUSED) / 2


@pytest.mark.parametrize("name", ENGINES)
async def test_s07_s22_no_filter_or_order_shows_a_token(prey: Prey, name: str) -> None:
    place = f"/db/{name}/{prey.databases[name]}/users/rows"
    turn = ENGINES.index(name)  # what is no filter is refused before any engine is looked at: each of them once
    filters = [*MASKED_FILTERS, *REFUSED_FILTERS[turn :: len(ENGINES)]]
    asked = [f"{place}?filter={quote(text, safe='')}" for text in filters]
    orders = ("email", "name", "phone", "token", "users.email", "email%20desc")
    asked += [f"{place}?order={column}" for column in orders]
    answers = await prey.send_all([(path, "GET", path, {}) for path in asked])
    assert {answer.status for answer in answers} <= {400, 404}, [a.status for a in answers]


@pytest.mark.parametrize("name", ENGINES)
async def test_s27_rows_in_every_format_and_package_show_no_token(prey: Prey, name: str) -> None:
    base, seen = f"/db/{name}/{prey.databases[name]}", 0
    for table in TABLES:
        for accept in ("application/x-ndjson", "text/csv"):
            answer = await prey.send(table, "GET", f"{base}/{table}/rows", headers={"Accept": accept})
            seen += answer.status == 200
        await prey.send(table, "GET", f"{base}/{table}")
    assert seen == 2 * (len(TABLES) - 1)
    shown = [table for table in TABLES if table != "secret"]
    data = {
        f"{table}.{suffix}": {"type": "table-data", "data": {"dbms": name, "table": table}}
        for table, suffix in itertools.product(shown, ("sql", "csv", "ndjson"))
    }
    schema: dict[str, object] = {"schema.sql": {"type": "table-create", "data": {"dbms": name, "tablelist": shown}}}
    virtual = [{"from": "orders.user_id", "to": "users.id"}]
    case: dict[str, object] = {
        "case.sql": {
            "type": "subset",
            "data": {"dbms": name, "roots": [{"table": "users"}], "children": "all", "virtual_keys": virtual},
        }
    }
    for number, exports in enumerate((data, schema, case)):
        answer = await prey.export(f"all-{name}-{number}", exports)
        assert answer.status == 200, answer.body
    await prey.send("ungranted", "POST", "/packplan", json={"template_name": "secret"})


@pytest.mark.parametrize("name", ENGINES)
async def test_t10_values_of_prepare_queries_show_no_token(prey: Prey, name: str) -> None:
    shown = 0
    for query in RUNS:
        key = f"p{next(_names)}"
        step = {"setVar": "v", "from": "hot-data", "hdata": {"type": "dbquery", "dbms": name, "query": query}}
        export = {"out.csv": {"type": "table-data", "data": {"dbms": name, "table": "cells", "filter": "s = ${v}"}}}
        text = yaml.safe_dump(
            {"hfitVersion": 1, "templateName": key, "packageName": "x-${v}", "prepare": [step], "exports": export}
        )
        if (await prey.send(text, "POST", "/packtmpl", data=text.encode(), headers=YAML)).status != 201:
            continue
        plan = {"template_name": key, "prepare": True}
        shown += (await prey.send(text, "POST", "/packplan", json=plan)).status == 200
        await prey.send(text, "POST", "/packdownload", json={"template_name": key})
    assert shown


async def test_f03_files_that_are_not_granted_show_no_token(prey: Prey) -> None:
    spelled = "closed/b.log open/../closed/b.log open/%2e%2e/closed/b.log %2fclosed/b.log closed ./closed/b.log"
    for path in spelled.split():
        answer = await prey.send(path, "GET", f"/files/files/download?path={path}")
        assert answer.status >= 400
    await prey.send("listing", "GET", "/files/files")
    await prey.export("files", {"f": {"type": "files", "volume": "files", "filters": ["name:*"]}})


async def test_nothing_of_a_token_is_left_behind(
    prey: Prey, hunted: tuple[Daemon, dict[str, str], Server, Path]
) -> None:
    daemon, _, store, folder = hunted
    assert len(prey.answers) > 500
    assert files_with(folder, NEEDLE) == []
    assert redis_keys_with(store, NEEDLE) == []
    log = daemon.log.read_text(errors="replace")
    assert "Traceback" not in log, log[-3000:]
    assert any(path.suffix == ".tar" for path in (folder / "data").rglob("*")), "no package was there to be swept"
