"""CREATE statements for the tables of an export, from SHOW CREATE TABLE as far as the actor may see it.

Foreign keys stand inside CREATE TABLE: the file switches their checks off, so tables refer to each other in any order
and in cycles. Names are bare in the snapshot's own database, qualified in others. Views are left out: an export turns
what they show into data. AUTO_INCREMENT counters and sequence states are kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from hfitd.engines.interface import DdlOptions, LeftOut, Outlook, Requirement
from hfitd.engines.mysql_connection import Opened
from hfitd.engines.mysql_create import Created, Visible, suspicious_lists, visible_definition
from hfitd.engines.mysql_dialect import MysqlDialect
from hfitd.engines.mysql_errors import translated
from hfitd.engines.mysql_insert import CLOSING, opening
from hfitd.engines.mysql_left_out import find_left_out
from hfitd.engines.mysql_releases import required_of_definition, required_of_rows
from hfitd.errors import ExportRefused
from hfitd.model import Catalog, Column, ForeignKey, Relation, TableName

_DIALECT = MysqlDialect()
_NOTHING: frozenset[str] = frozenset()


async def write_ddl(opened: Opened, catalog: Catalog, relations: Sequence[Relation], options: DdlOptions) -> bytes:
    """The whole file; ``whole`` adds databases and sequences."""
    database = catalog.database
    tables = sorted((item for item in relations if item.table.kind != "view"), key=lambda item: item.table.name)
    targets = {item.table.name: frozenset(column.column.name for column in item.columns) for item in tables}
    created = [(item.table.name, await _define(opened, catalog, item, targets)) for item in tables]
    statements = _databases(database, list(targets)) if options.whole else []
    if options.option == "dropcreate":
        statements += [f"DROP TABLE IF EXISTS {_spell(name, database)};" for name in targets]
    for sequence in _wanted_sequences(created, options, catalog):
        statements += await _sequence(opened, sequence, database, options.option)
    exists = "IF NOT EXISTS " if options.option == "ifnotexists" else ""
    for name, definition in created:
        body = ",\n  ".join(_own_names(element, database, name) for element in definition.elements)
        statements.append(f"CREATE TABLE {exists}{_spell(name, database)} (\n  {body}\n) {definition.tail};")
    return opening(strict=False) + "".join(f"{statement}\n" for statement in statements).encode() + CLOSING


async def foresee_ddl(
    opened: Opened, catalog: Catalog, relations: Sequence[Relation], options: DdlOptions
) -> Outlook:
    """What ``write_ddl`` leaves out, and what its statements ask of a target."""
    tables = [item for item in relations if item.table.kind != "view"]
    targets = {item.table.name: frozenset(column.column.name for column in item.columns) for item in tables}
    found: list[LeftOut] = []
    needed: list[Requirement] = [*required_of_rows(tables)]
    for relation in tables:
        created = await _define(opened, catalog, relation, targets)
        needed += required_of_definition(created, relation)
        found += [LeftOut(what, name, str(relation.table.name), reason) for what, name, reason in created.lost]
    return Outlook(await find_left_out(opened, relations, found, whole=options.whole), requires=tuple(needed))


def _spell(name: TableName, database: str) -> str:
    return _DIALECT.identifier(name.name) if name.schema == database else _DIALECT.qualified(name.schema, name.name)


def _own_names(element: str, database: str, table: TableName) -> str:
    """Sequences of the own database without its name, so that the file loads into any database."""
    if table.schema != database:
        return element
    return element.replace(f"nextval({_DIALECT.identifier(database)}.", "nextval(")


def _databases(database: str, tables: Sequence[TableName]) -> list[str]:
    others = sorted({name.schema for name in tables} - {database})
    return [f"CREATE DATABASE IF NOT EXISTS {_DIALECT.identifier(name)};" for name in others]


async def _define(
    opened: Opened, catalog: Catalog, relation: Relation, targets: dict[TableName, frozenset[str]]
) -> Created:
    name = relation.table.name
    visible = Visible(
        table=name,
        granted=targets[name],
        clear=frozenset(item.column.name for item in relation.columns if item.rule is None),
        columns=frozenset(column.name for column in relation.table.columns),
        targets=targets,
    )
    try:
        with translated():
            shown = await opened.connection.command(f"SHOW CREATE TABLE {_DIALECT.qualified(name.schema, name.name)}")
    except ExportRefused:  # a role with column grants only may not see it
        return _from_catalog(relation, [key for key in catalog.foreign_keys if key.table == name], targets)
    text = shown[0][1] or ""
    unprinted = await _unprinted(opened, name, suspicious_lists(text), visible)
    return visible_definition(text, replace(visible, unprinted=unprinted))


async def _unprinted(
    opened: Opened, table: TableName, lists: Mapping[str, Sequence[str]], visible: Visible
) -> frozenset[str]:
    """Clear columns that hold something else than the members as they are printed."""
    found = []
    for column, members in lists.items():
        if column not in visible.clear:
            continue
        place, name = _DIALECT.qualified(table.schema, table.name), _DIALECT.identifier(column)
        known = ", ".join(f"_utf8mb4 X'{_member(member).hex()}'" for member in members)
        with translated():
            odd = await opened.connection.command(
                f"SELECT 1 FROM {place} WHERE {name} + 0 > 0 AND CONVERT({name} USING utf8mb4)"  # noqa: S608 - quoted
                f" COLLATE utf8mb4_bin NOT IN ({known}) LIMIT 1"
            )
        if odd:
            found.append(column)
    return frozenset(found)


def _member(printed: str) -> bytes:
    """A member as bytes; printed with doubled quotes and backslash escapes."""
    text = printed[1:-1].replace("''", "'")
    return text.replace("\\\\", "\\").encode()


def _from_catalog(
    relation: Relation, references: Sequence[ForeignKey], targets: dict[TableName, frozenset[str]]
) -> Created:
    """Columns and keys as the catalogue has them; generated columns become plain ones."""
    granted = targets[relation.table.name]
    leading = {key.columns[0] for key in relation.table.keys if granted.issuperset(key.columns)}
    elements = [_column(item.column, item.rule is None, item.column.name in leading) for item in relation.columns]
    for key in relation.table.keys:
        if granted.issuperset(key.columns):
            kind = "PRIMARY KEY" if key.primary else f"UNIQUE KEY {_DIALECT.identifier(key.name)}"
            elements.append(f"{kind} ({_list(key.columns)})")
    for reference in references:
        if granted.issuperset(reference.columns) and targets.get(reference.target, _NOTHING).issuperset(
            reference.target_columns
        ):
            elements.append(
                f"CONSTRAINT {_DIALECT.identifier(reference.name)} FOREIGN KEY ({_list(reference.columns)})"
                f" REFERENCES {_spell(reference.target, reference.table.schema)} ({_list(reference.target_columns)})"
            )
    return Created(tuple(elements), "")


def _list(columns: Sequence[str]) -> str:
    return ",".join(map(_DIALECT.identifier, columns))


def _column(column: Column, clear: bool, leading: bool) -> str:
    parts = [_DIALECT.identifier(column.name), column.type_name]
    if column.collation:
        parts.append(f"COLLATE {column.collation}")
    if not column.nullable:
        parts.append("NOT NULL")
    if clear and column.default is not None:
        parts.append(f"DEFAULT {column.default}")
    if leading and column.identity:
        parts.append("AUTO_INCREMENT")
    return " ".join(parts)


def _wanted_sequences(
    created: Sequence[tuple[TableName, Created]], options: DdlOptions, catalog: Catalog
) -> list[TableName]:
    wanted = {sequence for _, definition in created for sequence in definition.sequences}
    if options.whole:
        wanted |= {item.name for item in catalog.sequences if item.name.schema == catalog.database}
    return sorted(wanted)


async def _sequence(opened: Opened, name: TableName, database: str, option: str) -> list[str]:
    """The sequence and where it stands, so that it goes on after what the source has given out."""
    qualified, spelt = _DIALECT.qualified(name.schema, name.name), _spell(name, database)
    with translated():
        shown = await opened.connection.command(f"SHOW CREATE SEQUENCE {qualified}")
        ((following,),) = await opened.connection.command(f"SELECT next_not_cached_value FROM {qualified}")  # noqa: S608 - quoted
    definition = (shown[0][1] or "").split(_DIALECT.identifier(name.name), 1)[-1].strip()
    create = {"ifnotexists": "CREATE SEQUENCE IF NOT EXISTS", "dropcreate": "CREATE OR REPLACE SEQUENCE"}.get(
        option, "CREATE SEQUENCE"
    )
    return [f"{create} {spelt} {definition};", f"DO SETVAL({spelt}, {following}, 0);"]
