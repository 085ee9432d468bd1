"""Packages of whole databases, made by the daemon's own engines and signed by a test key: DDL and every table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hfit.load.interface import LoadReport
from hfitd.config.model import ProviderConfig
from hfitd.engines.interface import DdlOptions, Format, Snapshot
from hfitd.engines.table import open_engine
from hfitd.export.cycles import keys_in_circles
from hfitd.export.items.tables import outlook_details, target_name
from hfitd.export.query.select import select_relation
from hfitd.model import Catalog, Relation, Table, TableName
from tests.live.servers import Server
from tests.support.engine_worlds import postgres_provider, relation
from tests.support.package_writer import Package, PackageKey

NAME = "whole"
Load = Callable[..., list[LoadReport]]
Verify = Callable[..., dict[str, int]]


class _Bytes:
    def __init__(self) -> None:
        self.parts: list[bytes] = []

    async def write(self, data: bytes) -> None:
        self.parts.append(data)


@dataclass
class Content:
    """Members and what the manifest says of them."""

    engine: str
    database: str
    files: dict[str, bytes] = field(default_factory=dict)
    details: dict[str, dict[str, Any]] = field(default_factory=dict)
    version: str = ""

    def add_ddl(self, path: str, data: bytes, kind: str = "ddl") -> None:
        """A member that creates tables, or constraints after the rows."""
        self.files[path] = data
        self.details[path] = {"kind": kind, "engine": self.engine}

    def add_rows(self, path: str, data: bytes, table: str, rows: int) -> None:
        """A member with the rows of one table."""
        self.files[path] = data
        counted = [{"table": table, "rows": rows, "masks": {}}]
        self.details[path] = {"kind": "data", "engine": self.engine, "rows": rows, "tables": counted}

    def write(self, folder: Path, key: PackageKey) -> Path:
        """Write the package as an extracted folder."""
        return write_package(folder, key, {"shop": self})


def write_package(folder: Path, key: PackageKey, contents: Mapping[str, Content]) -> Path:
    """Write one package of several providers as an extracted folder; each provider's members by their paths."""
    files = {path: data for content in contents.values() for path, data in content.files.items()}
    details = {path: item for content in contents.values() for path, item in content.details.items()}
    providers = {path: provider for provider, content in contents.items() for path in content.files}

    def edit(manifest: dict[str, Any]) -> None:
        manifest["sources"] = [
            {
                "provider": provider, "database": content.database, "engine": content.engine,
                "version": content.version,
            }
            for provider, content in contents.items()
        ]
        for member in manifest["members"]:
            member.update(details.get(member["path"], {}))

    place = folder / NAME
    for path, data in Package(key, files, NAME, providers=providers, edit=edit).members():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_bytes(data)
    return place


def provider_of(server: Server, database: str) -> ProviderConfig:
    """The provider of a test server."""
    changes = {} if server.kind == "postgresql" else {"type": "mysql"}
    return postgres_provider(server, database, **changes)


async def read_content(
    provider: ProviderConfig, *, ddl: bool = True, leave_out: Collection[str] = (), only: Sequence[str] = ()
) -> Content:
    """Everything in a database; ``leave_out`` and ``only`` are full names of tables."""
    engine = open_engine(provider)
    try:
        async with engine.snapshot() as snapshot:
            catalog = await snapshot.catalog()
            content = Content(catalog.engine, catalog.database, version=catalog.version)
            tables = [
                table
                for table in catalog.tables.values()
                if table.kind in ("table", "partitioned") and str(table.name) not in leave_out
                and (not only or str(table.name) in only)
            ]
            if ddl:
                created = [t for t in catalog.tables.values() if t in tables or t.kind == "partition"]
                sink = _Bytes()
                relations = [relation(catalog, table.name) for table in created]
                outlook = await snapshot.outlook(relations, DdlOptions(whole=True))
                options = DdlOptions(whole=True, postponed=outlook.unchecked | _in_circles(tables, catalog))
                await snapshot.ddl(relations, options, sink)
                content.add_ddl("00-schema.sql", b"".join(sink.parts))
                content.details["00-schema.sql"].update(outlook_details(outlook))
                if options.postponed:
                    later = _Bytes()
                    await snapshot.ddl(relations, replace(options, only_postponed=True), later)
                    content.add_ddl("99-constraints.sql", b"".join(later.parts), "constraints")
            for number, table in enumerate(_parents_first(tables, catalog), start=1):
                await _add_table(content, f"{number:04}.sql", relation(catalog, table.name), catalog, snapshot, engine)
            return content
    finally:
        await engine.close()


async def _add_table(
    content: Content, path: str, seen: Relation, catalog: Catalog, snapshot: Snapshot, engine: Any
) -> None:
    dialect = engine.dialect
    select = select_relation(
        seen, dialect, {}, where=None, order=None, limit=None, into=target_name(dialect, catalog, seen.table),
        leave_out=[item.column.name for item in seen.columns if item.column.generated], hidden=True,
    )  # fmt: skip
    sink = _Bytes()
    receipt = await snapshot.render(select, Format.SQL, sink)
    content.add_rows(path, b"".join(sink.parts), str(seen.table.name), receipt.rows)


def _in_circles(tables: Sequence[Table], catalog: Catalog) -> frozenset[tuple[TableName, str]]:
    return keys_in_circles([t.name for t in tables], catalog) if catalog.engine == "postgresql" else frozenset()


def _parents_first(tables: Sequence[Table], catalog: Catalog) -> list[Table]:
    left = {table.name: table for table in tables}
    parents: dict[TableName, set[TableName]] = {name: set() for name in left}
    for key in catalog.foreign_keys:
        if key.table in left and key.target in left and key.table != key.target:
            parents[key.table].add(key.target)
    ordered = []
    while left:
        ready = [name for name in left if not parents[name] & left.keys()] or list(left)[:1]
        ordered += [left.pop(name) for name in ready]
    return ordered


Packed = Callable[[Content | Mapping[str, Content]], Path]
