"""Subsets run against real databases without the daemon around them: plan, check, build, and what came out."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hfitd.access.policy import Policy
from hfitd.config.model import PolicyConfig, ProviderConfig, RoleConfig, Secret
from hfitd.engines.interface import Snapshot
from hfitd.engines.table import open_engine
from hfitd.export.items.interface import Built, Checked, PlanScope, RunScope
from hfitd.export.items.subset import SubsetItem, SubsetStep
from hfitd.export.package.graph import graph_members
from hfitd.export.sources import OpenSource, SourceKey, Sources, open_sources
from hfitd.export.spool import Scratch
from hfitd.export.template.model import Export, Root, Subset
from hfitd.model import Actor
from hfitd.volumes.interface import Volume
from tests.live.servers import Server

DATA = Path(__file__).resolve().parent.parent / "data"
ACTOR = Actor("ann@example.com", ("reader",))
EVERYTHING = ("rows:**", "files.read:**")
OPEN_POLICY = PolicyConfig(unclassified="allow")


class Bytes:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.data = b""

    async def write(self, data: bytes) -> None:
        """Keep it."""
        self.data += data


class Counting:
    """A snapshot that counts what is asked of it."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self.asked: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        self.asked[name] += 1
        return getattr(self._snapshot, name)


@dataclass
class Result:
    """A built subset. ``keys`` are the names of its rows by table, as the graph shows them."""

    script: bytes
    built: Built
    graph: dict[str, Any]
    checked: Checked
    step: SubsetStep
    asked: Counter[str] = field(default_factory=Counter)
    others: dict[str, tuple[bytes, Built]] = field(default_factory=dict)  # files of other databases

    @property
    def rows(self) -> dict[str, int]:
        """Rows by table."""
        return {entry.table: entry.rows for entry in self.built.tables}

    @property
    def rows_elsewhere(self) -> dict[str, dict[str, int]]:
        """Rows by table of the other databases, by file."""
        return {path: {e.table: e.rows for e in built.tables} for path, (_, built) in self.others.items()}

    @property
    def keys(self) -> dict[str, list[tuple[str, ...]]]:
        """Keys by table, in no order."""
        return {t["table"]: sorted(tuple(row[0]) for row in t["rows"]) for t in self.graph["tables"]}

    def detail(self, name: str) -> Any:
        """An entry of the member in the manifest."""
        return self.built.details.get(name, [])

    def way(self, table: str, key: Sequence[str]) -> list[str]:
        """The tables from a row back to its root."""
        tables = {entry["table"]: entry for entry in self.graph["tables"]}
        assert len(tables) == len(self.graph["tables"])  # names of several databases must differ here
        number = next(n for n, row in enumerate(tables[table]["rows"]) if row[0] == list(key))
        found = [table]
        for _ in range(10_000):
            way = tables[table]["rows"][number][1]
            if way is None:
                return found
            step = self.graph["steps"][way[0]]
            assert step["to"] == table
            table, number = step["from"], way[1]
            found.append(table)
        raise AssertionError("the way does not end")


@dataclass
class SubsetWorld:
    """An open database, with a policy; ``run`` builds a subset of it."""

    sources: Sources
    key: SourceKey
    opened: OpenSource
    schema: str
    others: dict[SourceKey, OpenSource] = field(default_factory=dict)

    async def run(self, *roots: tuple[str, str], walk: bool = True, **options: Any) -> Result:
        """Plan, check and build."""
        step, checked, counting = await self.check(*roots, walk=walk, **options)
        files = {}
        for member in checked.members[: len(step.members)]:
            sink = Bytes()
            built = await member.build(sink)
            files[member.path] = (sink.data, built)
        assert checked.ways is not None
        (graph,) = graph_members([checked.ways])
        written = Bytes()
        await graph.build(written)
        document = json.loads(written.data)
        assert json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() == written.data
        script, built = files.pop("case.sql")
        return Result(script, built, document["subsets"][0], checked, step, counting.asked, files)

    def plan(self, *roots: tuple[str, str], **options: Any) -> SubsetStep:
        """Plan only."""
        given = tuple(Root(table, where) for table, where in roots)
        data = Subset(self.key.provider, given, **({"children": "all"} | options))
        catalogs = {self.key: self.opened.catalog} | {key: opened.catalog for key, opened in self.others.items()}
        scope = PlanScope(ACTOR, self.sources, catalogs)
        return SubsetItem().plan(Export("case.sql", "subset", data), scope)

    async def check(
        self,
        *roots: tuple[str, str],
        walk: bool = True,
        max_rows: int | None = None,
        scratch: Scratch | None = None,
        **options: Any,
    ) -> tuple[SubsetStep, Checked, Counting]:
        """Plan and check."""
        step = self.plan(*roots, **options)
        counting: Any = Counting(self.opened.snapshot)
        opened = OpenSource(counting, self.opened.catalog, self.opened.opened)
        values: dict[str, str | None] = {}
        scope = RunScope(
            ACTOR,
            self.sources,
            {self.key: opened} | self.others,
            values,
            walk=walk,
            max_rows=max_rows,
            scratch=scratch or Scratch(),
        )
        return step, await step.check(scope), counting


@asynccontextmanager
async def subset_world(
    provider: ProviderConfig,
    *more: ProviderConfig,
    grants: Sequence[str] = EVERYTHING,
    policy: PolicyConfig = OPEN_POLICY,
    volumes: dict[str, Volume] | None = None,
    databases: Sequence[str] = (),
) -> AsyncIterator[SubsetWorld]:
    """Open a provider's database, and those of others; ``databases`` are more of the first."""
    engines = {given.name: open_engine(given) for given in (provider, *more)}
    roles = {"reader": RoleConfig("reader", tuple(grants))}
    own = {given.name: given.database for given in (provider, *more)}
    sources = Sources(engines, own, volumes or {}, Policy(policy, roles, b"k" * 32))
    key, *others = (SourceKey(name, database) for name, database in own.items())
    others += [SourceKey(provider.name, database) for database in databases]
    try:
        async with open_sources(sources, [key, *others]) as opened:
            elsewhere = {other: opened[other] for other in others}
            yield SubsetWorld(sources, key, opened[key], opened[key].catalog.default_schema, elsewhere)
    finally:
        for engine in engines.values():
            await engine.close()


def server_provider(
    server: Server, database: str, databases: Sequence[str] = (), name: str = "src"
) -> ProviderConfig:
    """A provider of a test server, as its superuser."""
    return ProviderConfig(
        name=name,
        type="postgresql" if server.kind == "postgresql" else "mysql",
        host=server.host,
        port=server.port,
        user=server.user,
        password=Secret(server.password),
        database=database,
        databases=tuple(databases),
        tls="disable",
    )


def read_json(name: str) -> Any:
    """A packed JSON file of ``tests/data``."""
    return json.loads(gzip.decompress((DATA / f"{name}.gz").read_bytes()))


