"""The statements of ``postgres_ddl_plan``'s decisions, spelt so that ``psql`` runs them in an empty database.

Types are made unless they are there, because several members of a package may need the same one. With ``ifnotexists``
every other statement is guarded too. Owners, grants, comments, triggers and row security are never written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping

from hfitd.engines.postgres_ddl_facts import Record
from hfitd.engines.postgres_ddl_plan import Shown, ShownColumn, ShownTable, owner_column
from hfitd.engines.postgres_dialect import PostgresDialect
from hfitd.engines.postgres_types import TypeInfo
from hfitd.model import TableName

_INDEX = re.compile(r'(CREATE (?:UNIQUE )?INDEX )((?:"(?:[^"]|"")*"|[^"\s]+) ON )(?:ONLY )?')
_dialect = PostgresDialect()
_name = _dialect.identifier

PROLOGUE = (
    "SET client_encoding = 'UTF8';\nSET standard_conforming_strings = on;\nSET check_function_bodies = false;\n"
    "SET client_min_messages = warning;\n"
)


def qualified(name: TableName) -> str:
    """The quoted name of a table or sequence."""
    return _dialect.qualified(name.schema, name.name)


def guarded(statement: str) -> str:
    """The statement, without an error when its object is there already."""
    tag = "$hfit$"
    while tag in statement:
        tag = tag[:-1] + "_$"
    return (
        f"DO {tag} BEGIN {statement} EXCEPTION WHEN duplicate_object OR duplicate_table OR invalid_table_definition"
        f" THEN NULL; END {tag};"
    )


def create_schema(schema: str) -> str:
    """``public`` is in every database."""
    return f"CREATE SCHEMA IF NOT EXISTS {_name(schema)};"


def create_extension(record: Record) -> str:
    """Its schema has to be there."""
    return (
        f"CREATE EXTENSION IF NOT EXISTS {_name(record['extension'])}"
        f" WITH SCHEMA {_name(record['extension_schema'])};"
    )


def create_type(record: Record) -> str:
    """An enum, domain, composite or range type."""
    name = _dialect.qualified(record["schema"], record["name"])
    if record["sort"] == "e":
        labels = ", ".join(_dialect.literal(label) for label in record["labels"])
        return guarded(f"CREATE TYPE {name} AS ENUM ({labels});")
    if record["sort"] == "c":
        return guarded(f"CREATE TYPE {name} AS ({', '.join(record['attributes'])});")
    if record["sort"] == "r":
        return guarded(f"CREATE TYPE {name} AS RANGE ({record['range_options']});")
    words = [f"CREATE DOMAIN {name} AS {record['base']}"]
    if record["collation"] is not None:
        words.append(f"COLLATE {record['collation']}")
    if record["default_text"] is not None:
        words.append(f"DEFAULT {record['default_text']}")
    if record["not_null"]:
        words.append("NOT NULL")
    return guarded(" ".join([*words, *record["checks"]]) + ";")


def create_collation(record: Record) -> str:
    """A collation of one's own; the catalogue's columns differ between versions."""
    described = json.loads(record["description"])
    providers = {"i": "icu", "c": "libc", "b": "builtin"}
    options = [f"PROVIDER = {providers.get(described['collprovider'], 'libc')}"]
    locale = described.get("colllocale") or described.get("colliculocale")
    if locale or described["collcollate"] == described["collctype"]:
        options.append(f"LOCALE = {_dialect.literal(locale or described['collcollate'])}")
    else:
        options.append(f"LC_COLLATE = {_dialect.literal(described['collcollate'])}")
        options.append(f"LC_CTYPE = {_dialect.literal(described['collctype'])}")
    if not described.get("collisdeterministic", True):
        options.append("DETERMINISTIC = false")
    name = _dialect.qualified(record["schema"], record["name"])
    return f"CREATE COLLATION IF NOT EXISTS {name} ({', '.join(options)});"


def drop_table(table: ShownTable) -> str:
    """With whatever refers to it."""
    return f"DROP TABLE IF EXISTS {qualified(table.name)} CASCADE;"


def sequence_options(record: Record) -> str:
    """Everything but its type."""
    cycle = "CYCLE" if record["cycle"] else "NO CYCLE"
    return (
        f"START WITH {record['start']} INCREMENT BY {record['increment']} MINVALUE {record['minimum']}"
        f" MAXVALUE {record['maximum']} CACHE {record['cache']} {cycle}"
    )


def create_sequence(record: Record) -> str:
    """A sequence that is not an identity column's."""
    return (
        f"CREATE SEQUENCE IF NOT EXISTS {sequence_name(record)} AS {record['type_name']} {sequence_options(record)};"
    )


def sequence_name(record: Record) -> str:
    """Its quoted name."""
    return _dialect.qualified(record["schema"], record["name"])


def set_sequence(record: Record, state: Record) -> str:
    """Where it stands."""
    name = _dialect.literal(sequence_name(record))
    called = "true" if state["is_called"] else "false"
    return f"SELECT pg_catalog.setval({name}, {state['last_value']}, {called});"


class TableText:
    """Spells the tables of one plan. Constraints that are ``late`` or not valid are no part of their table."""

    def __init__(
        self, shown: Shown, types: Mapping[int, TypeInfo], late: Collection[int], *, if_not_exists: bool
    ) -> None:
        self._shown = shown
        self._inline: dict[int, list[Record]] = {}
        for record in shown.constraints:
            if record["is_validated"] and record["oid"] not in late:
                self._inline.setdefault(record["table_oid"], []).append(record)
        self._types = types
        self._guard = if_not_exists
        self._identities = {
            (record["table_oid"], record["number"]): record
            for record in shown.sequences
            if record["ownership"] == "i"
        }
        clear = [column for table in shown.tables.values() for column in table.columns.values() if not column.masked]
        self._clear_types = {column.type_oid for column in clear}

    def create(self, table: ShownTable) -> str:
        """The table with its keys and checks."""
        parts = [self._column(table, number, column) for number, column in table.columns.items()]
        parts += [
            f"CONSTRAINT {_name(record['name'])} {record['definition']}" for record in self._inline.get(table.oid, ())
        ]
        words = ["CREATE UNLOGGED TABLE" if table.is_unlogged else "CREATE TABLE"]
        if self._guard:
            words.append("IF NOT EXISTS")
        body = ",\n    ".join(parts)
        words.append(f"{qualified(table.name)} (\n    {body}\n)")
        if table.partition_key:
            words.append(f"PARTITION BY {table.partition_key}")
        if table.options:
            words.append(f"WITH ({', '.join(table.options)})")
        return " ".join(words) + ";"

    def inherit(self, table: ShownTable) -> list[str]:
        """What makes it an heir. Afterwards, so that its columns keep their own order."""
        return [
            guarded(f"ALTER TABLE {qualified(table.name)} INHERIT {qualified(self._shown.tables[oid].name)};")
            for oid in table.inherits
        ]

    def attach(self, table: ShownTable) -> str | None:
        """What makes it a partition of its root, with the constraints that it has itself."""
        if table.parent is None or table.bound is None:
            return None
        root = qualified(self._shown.tables[table.parent].name)
        statement = f"ALTER TABLE {root} ATTACH PARTITION {qualified(table.name)} {table.bound};"
        return _unless_partition(statement, table) if self._guard else statement

    def add_constraint(self, record: Record) -> str:
        """A foreign key, a check that was never validated and stays so, or one that needs the table first."""
        table = self._shown.tables[record["table_oid"]]
        added = f"ADD CONSTRAINT {_name(record['name'])} {record['definition']}"
        statement = f"ALTER TABLE {qualified(table.name)} {added};"
        return guarded(statement) if self._guard else statement

    def create_index(self, record: Record) -> str:
        """An index; on a partitioned table its partitions get theirs from it."""
        guard = "IF NOT EXISTS " if self._guard else ""
        definition = str(record["definition"])
        return _INDEX.sub(lambda match: match[1] + guard + match[2], definition, count=1) + ";"

    def create_statistics(self, record: Record) -> str:
        """Statistics over several columns."""
        return guarded(f"{record['definition']};") if self._guard else f"{record['definition']};"

    def own_sequence(self, record: Record) -> str | None:
        """Ties a sequence to its column, as ``serial`` does."""
        owner = owner_column(record, self._shown.tables)
        if owner is None or record["ownership"] != "a":
            return None
        table, column = owner
        return f"ALTER SEQUENCE {sequence_name(record)} OWNED BY {qualified(table.name)}.{_name(column.column.name)};"

    def keeps_type(self, column: ShownColumn) -> bool:
        """Whether the column is written with its own type."""
        return self._plain_type(column) is None

    def _column(self, table: ShownTable, number: int, item: ShownColumn) -> str:
        column = item.column
        words = [_name(column.name), self._plain_type(item) or column.type_name]
        if item.collation is not None:
            words.append(f"COLLATE {_dialect.qualified(*item.collation)}")
        identity = self._identities.get((table.oid, number))
        if column.identity and identity is not None and table.parent is None:
            always = "ALWAYS" if column.identity == "always" else "BY DEFAULT"
            options = f"SEQUENCE NAME {sequence_name(identity)} {sequence_options(identity)}"
            words.append(f"GENERATED {always} AS IDENTITY ({options})")
        elif column.generated and item.keeps_default:
            words.append(f"GENERATED ALWAYS AS ({column.default}) {column.generated.upper()}")
        elif not column.generated and item.keeps_default:
            words.append(f"DEFAULT {column.default}")
        # A generated column that is created as a plain one is not loaded, so it has to take NULL.
        not_null = item.not_null if self.keeps_type(item) else not column.nullable
        if not_null and not (column.generated and not item.keeps_default):
            words.append("NOT NULL")
        return " ".join(words)

    def _plain_type(self, item: ShownColumn) -> str | None:
        """What a masked column is written as, so that labels and checks of its type are not shown."""
        if item.as_text:
            return "text"
        info = self._types[item.type_oid]
        if not item.masked or item.type_oid in self._clear_types:
            return None
        if info.schema == "pg_catalog":
            # A domain is spelt with its schema, a type of the server never is.
            return f"pg_catalog.{_name(info.name)}" if "." in info.spelled else None
        return "text" if info.sort in ("e", "c") or info.is_array else None


def _unless_partition(statement: str, table: ShownTable) -> str:
    name = _dialect.literal(qualified(table.name))
    is_partition = f"(SELECT relispartition FROM pg_catalog.pg_class WHERE oid = {name}::pg_catalog.regclass)"  # noqa: S608
    return f"DO $hfit$ BEGIN IF NOT {is_partition} THEN {statement} END IF; END $hfit$;"
