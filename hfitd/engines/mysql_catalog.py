"""What a MySQL or MariaDB server says about its tables, from information_schema in a handful of queries.

A provider's databases are read together, for foreign keys cross them: the catalogue of one database holds the tables
of every database the provider may read, and ``TableName.schema`` says which. information_schema compares names
case-insensitively, so rows are kept by exact comparison here. Sequences (MariaDB) are no tables. What a foreign key
does on delete and update is unknown to a role that may only SELECT; the key itself is not, unless the role has column
grants only (then MariaDB wants REFERENCES on the database, too).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from hfitd.engines.mysql_binds import text_literal
from hfitd.engines.mysql_connection import Opened
from hfitd.engines.mysql_types import kind_of_type
from hfitd.engines.view_reads import with_reads
from hfitd.model import Catalog, Column, ForeignKey, Key, Kind, Sequence_, Table, TableName

Rows = Sequence[tuple[str | None, ...]]
Owned = Mapping[TableName, list[tuple[str | None, ...]]]

_TABLES = """SELECT table_schema, table_name, table_type, table_rows, data_length
FROM information_schema.tables WHERE table_schema IN ({})"""
_COLUMNS = """SELECT table_schema, table_name, column_name, data_type, column_type, is_nullable, column_default, extra,
character_maximum_length, collation_name, generation_expression, privileges
FROM information_schema.columns WHERE table_schema IN ({}) ORDER BY table_schema, table_name, ordinal_position"""
_KEYS = """SELECT table_schema, table_name, index_name, column_name, nullable, sub_part
FROM information_schema.statistics WHERE non_unique = 0 AND table_schema IN ({})
ORDER BY table_schema, table_name, index_name, seq_in_index"""
_FOREIGN_KEYS = """SELECT k.table_schema, k.table_name, k.constraint_name, k.column_name,
k.referenced_table_schema, k.referenced_table_name, k.referenced_column_name, r.delete_rule, r.update_rule
FROM information_schema.key_column_usage k LEFT JOIN information_schema.referential_constraints r
ON r.constraint_schema IN ({0})
AND r.constraint_schema = k.constraint_schema AND r.constraint_name = k.constraint_name AND r.table_name = k.table_name
WHERE k.referenced_table_name IS NOT NULL AND k.table_schema IN ({0})
ORDER BY k.table_schema, k.table_name, k.constraint_name, k.ordinal_position"""
_MARIADB_CHECKS = """SELECT constraint_schema, table_name, constraint_name, check_clause, level
FROM information_schema.check_constraints WHERE constraint_schema IN ({})
ORDER BY constraint_schema, table_name, constraint_name"""
_MYSQL_CHECKS = """SELECT t.table_schema, t.table_name, t.constraint_name, c.check_clause, 'Table'
FROM information_schema.table_constraints t JOIN information_schema.check_constraints c
ON c.constraint_schema = t.constraint_schema AND c.constraint_name = t.constraint_name
WHERE t.constraint_type = 'CHECK' AND t.table_schema IN ({})
ORDER BY t.table_schema, t.table_name, t.constraint_name"""
_MYSQL_WITH_CHECKS = (8, 0, 16)

_VIEWS = "SELECT table_schema, table_name, view_definition FROM information_schema.views WHERE table_schema IN ({})"

_KINDS = {"BASE TABLE": "table", "SYSTEM VERSIONED": "table", "VIEW": "view"}


async def read_catalog(opened: Opened, database: str, databases: Sequence[str]) -> Catalog:
    """The shape of the given databases; ``database`` is what an unqualified name means."""
    wanted = frozenset(databases)
    listed = ", ".join(text_literal(name) for name in sorted(wanted))

    async def ask(query: str) -> list[tuple[str | None, ...]]:
        rows = await opened.connection.command(query.format(listed))
        return [row for row in rows if row[0] in wanted]

    tables = await ask(_TABLES)
    columns = _by_table(await ask(_COLUMNS))
    keys = _by_table(await ask(_KEYS))
    checks = await ask(_MARIADB_CHECKS if opened.mariadb else _MYSQL_CHECKS) if _has_checks(opened) else []
    return Catalog(
        engine=opened.engine,
        version=opened.version,
        database=database,
        default_schema=database,
        tables=with_reads(
            {table.name: table for table in _tables(tables, columns, keys, _by_table(checks))},
            {_name(row): row[2] or "" for row in await ask(_VIEWS)},
        ),
        foreign_keys=tuple(_foreign_keys(await ask(_FOREIGN_KEYS), wanted)),
        sequences=tuple(Sequence_(_name(row)) for row in tables if row[2] == "SEQUENCE"),
    )


def _name(row: Sequence[str | None]) -> TableName:
    return TableName(row[0] or "", row[1] or "")


def _by_table(rows: Rows) -> Owned:
    owned: dict[TableName, list[tuple[str | None, ...]]] = defaultdict(list)
    for row in rows:
        owned[_name(row)].append(row)
    return owned


def _has_checks(opened: Opened) -> bool:
    """Every MariaDB that is supported; MySQL knows no CHECK before 8.0.16."""
    version = tuple(int(part) for part in re.findall(r"\d+", opened.version)[:3])
    return opened.mariadb or version >= _MYSQL_WITH_CHECKS


def _tables(tables: Rows, columns: Owned, keys: Owned, checks: Owned) -> Iterable[Table]:
    for row in sorted(tables, key=_name):
        name = _name(row)
        if row[2] not in _KINDS or not columns.get(name):
            continue
        described = tuple(_column(item, checks.get(name, [])) for item in columns[name])
        yield Table(
            name=name,
            kind=_KINDS[row[2]],
            columns=described,
            keys=_keys(keys.get(name, []), described),
            estimated_rows=_number(row[3]),
            estimated_bytes=_number(row[4]),
        )


def _number(text: str | None) -> int | None:
    return int(text) if text is not None else None


def _column(row: Sequence[str | None], checks: Rows) -> Column:
    _, _, name, data_type, column_type, nullable, default, extra, length, collation, expression, privileges = row
    own = [item[3] or "" for item in checks if item[4] == "Column" and item[2] == name]
    is_json = any(clause.startswith("json_valid(") for clause in own)  # how MariaDB declares JSON
    kind = Kind.JSON if is_json else kind_of_type(data_type or "")
    flags = (extra or "").upper()
    return Column(
        name=name or "",
        type_name=(column_type or "").split(" /*", 1)[0],
        kind=kind,
        nullable=nullable == "YES",
        default=_default(default, data_type or "", flags),
        generated="virtual" if "VIRTUAL" in flags else "stored" if _is_stored(flags) else "",
        identity="auto_increment" if "AUTO_INCREMENT" in flags else "",
        max_length=_max_length(kind, data_type or "", length),
        collation=collation,
        invisible="INVISIBLE" in flags,
        expression=expression or "",
        members=_members(column_type or ""),
        checks=tuple(item[3] or "" for item in checks if _names(item[3] or "") == {name}),
        readable="select" in (privileges or "").lower().split(","),
    )


def _members(column_type: str) -> tuple[str, ...]:
    """What an ENUM or SET is declared to hold."""
    if not column_type.startswith(("enum(", "set(")):
        return ()
    return tuple(found.replace("''", "'") for found in re.findall(r"'((?:[^']|'')*)'", column_type))


def _names(expression: str) -> set[str]:
    """The columns that an expression of the server's names."""
    return {found.replace("``", "`") for found in re.findall(r"`((?:[^`]|``)+)`", expression)}


def _is_stored(flags: str) -> bool:
    return "STORED GENERATED" in flags or "PERSISTENT" in flags


def _default(default: str | None, data_type: str, flags: str) -> str | None:
    """As an expression. MariaDB gives one; MySQL gives the bare text of constants and flags expressions."""
    if default is None or default == "NULL":
        return None
    return default if "DEFAULT_GENERATED" in flags or kind_of_type(data_type) is not Kind.TEXT else _quoted(default)


def _quoted(default: str) -> str:
    """A text default; MariaDB's is quoted already, or an expression."""
    return default if default[:1] in ("'", "(") or default.endswith(")") else "'" + default.replace("'", "''") + "'"


def _max_length(kind: Kind, data_type: str, length: str | None) -> int | None:
    """Characters of text, bytes of binary; text and blob types have a byte limit that is far off for most."""
    if kind in (Kind.TEXT, Kind.BYTES, Kind.JSON) and length is not None and data_type not in ("longtext", "longblob"):
        return int(length)
    return None


def _keys(rows: Rows, columns: Sequence[Column]) -> tuple[Key, ...]:
    """Unique keys. One over an expression or a prefix does not name rows by its columns and is left out."""
    known = {column.name for column in columns if column.readable}
    parts: dict[str, list[tuple[str | None, ...]]] = defaultdict(list)
    for row in rows:
        parts[row[2] or ""].append(row)
    keys = []
    for name, items in parts.items():
        names = tuple(item[3] or "" for item in items)
        if any(part not in known for part in names) or any(item[5] is not None for item in items):
            continue
        keys.append(Key(name, names, name == "PRIMARY", nullable=any(item[4] == "YES" for item in items)))
    return tuple(sorted(keys, key=lambda key: (not key.primary, key.name)))


def _foreign_keys(rows: Rows, wanted: frozenset[str]) -> Iterable[ForeignKey]:
    parts: dict[tuple[TableName, str], list[tuple[str | None, ...]]] = defaultdict(list)
    for row in rows:
        if row[4] in wanted:
            parts[(_name(row), row[2] or "")].append(row)
    for (table, name), items in sorted(parts.items()):
        yield ForeignKey(
            name=name,
            table=table,
            columns=tuple(item[3] or "" for item in items),
            target=TableName(items[0][4] or "", items[0][5] or ""),
            target_columns=tuple(item[6] or "" for item in items),
            on_delete=_rule(items[0][7]),
            on_update=_rule(items[0][8]),
        )


def _rule(rule: str | None) -> str:
    return "" if rule in (None, "NO ACTION", "RESTRICT") else str(rule).lower()
