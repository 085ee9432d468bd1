"""A first template out of the catalogue: one row of a table by its key, with everything that belongs to it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from hfit.answers import malformed
from hfit.errors import HfitClientError, NotFound, UsageMistake
from hfit.gateway import Gateway

MAX_TABLES_LOOKED_AT = 200
AT_ONCE = 8
MAX_ROWS = 10_000
MAX_CHILDREN_PER_ROW = 1_000
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*\Z")
_PARAMETER_TYPES = (
    (r"(?:tiny|small|medium|big)?int|(?:small|big)?serial", "integer"),
    (r"numeric|decimal|number|real|double|float", "number"),
    (r"uuid|uniqueidentifier", "uuid"),
    (r"timestamp|datetime", "timestamp"),
    (r"date", "date"),
    (r"bool", "boolean"),
)


@dataclass(frozen=True, slots=True)
class Place:
    """A table as the server names it. ``several``: the provider has more databases, so exports name this one."""

    provider: str
    database: str
    table: str
    several: bool = False

    @property
    def bare(self) -> str:
        """The table alone."""
        return self.table.rpartition(".")[2]

    def quoted(self, column: str) -> str:
        """A column as SQL of the template spells it: only MySQL, whose schemas are its databases, has backticks."""
        if _PLAIN.match(column):
            return column
        mark = "`" if self.table.partition(".")[0] == self.database != "main" else '"'
        return mark + column.replace(mark, mark * 2) + mark


@dataclass(frozen=True, slots=True)
class Table:
    """What the catalogue says of one table: ``parents`` are the tables that its foreign keys name."""

    columns: Mapping[str, str]  # name to type
    masks: Mapping[str, str]
    keys: Sequence[Sequence[str]]  # the primary key first, then the unique ones
    parents: frozenset[str]


@dataclass(frozen=True, slots=True)
class Draft:
    """A template's text, and what its author should know."""

    name: str
    text: str
    parameters: Mapping[str, str]  # name to type
    notes: tuple[str, ...] = field(default=())


def parse_place(gateway: Gateway, text: str) -> Place:
    """``PROVIDER/TABLE`` or ``PROVIDER/DATABASE/TABLE``; asks the server what the rest is called."""
    provider, *rest = text.split("/")
    if not provider or not 1 <= len(rest) <= 2 or not all(rest):
        raise UsageMistake(
            f"'{text}' is not PROVIDER/TABLE.", suggestions=["Example: --from-table shop_pg/public.customer"]
        )
    databases = gateway.dbs(provider)
    database = rest[0] if len(rest) == 2 else _only(databases, provider, rest[0])
    wanted = rest[-1]
    tables = gateway.tables(provider, database)
    fitting = [name for name in tables if name.lower() == wanted.lower()] or [
        name for name in tables if name.lower().rpartition(".")[2] == wanted.lower()
    ]
    if len(fitting) > 1:
        raise UsageMistake(f"Several tables are called {wanted}.", suggestions=[f"Say which: {', '.join(fitting[:5])}"])
    if not fitting:
        raise NotFound("There is no such table.", resource=wanted)
    return Place(provider, database, fitting[0], len(databases) > 1)


def _only(databases: Sequence[str], provider: str, table: str) -> str:
    """The database that is meant when none is named: the only one, or the one that the table's name begins with."""
    schema = table.partition(".")[0]
    if len(databases) == 1:
        return databases[0]
    if "." in table and schema in databases:
        return schema
    raise UsageMistake(
        f"{provider} has several databases.", suggestions=[f"Say which: {provider}/{databases[0]}/{table}"]
        if databases else [f"See: hfit dbs {provider}"],
    )  # fmt: skip


def draft_template(gateway: Gateway, place: Place, *, name: str = "", by: Sequence[str] = ()) -> Draft:
    """Draft the template of ``place``'s rows, chosen by the columns ``by``, or else by the key of the table.

    Raises UsageMistake where there is no key, or no such column.
    """
    root = _table(gateway.describe(place.provider, place.database, place.table))
    columns = _columns(place, root, by)
    family, complete = _family(gateway, place, root)
    parameters = {_parameter(column): column for column in columns}
    notes = [f"{column} is masked: rows can be chosen by it only where the policy says filterable."
             for column in columns if root.masks.get(column)]  # fmt: skip
    if not complete:
        notes.append(f"There are more than {MAX_TABLES_LOOKED_AT} tables: add those that refer to {place.table}.")
    chosen = name or f"{re.sub(r'[^A-Za-z0-9._-]', '-', place.bare).strip('.-_').lower() or 'table'}-case"
    types = {parameter: _type(root.columns[column]) for parameter, column in parameters.items()}
    return Draft(chosen, _text(place, chosen, parameters, root, family), types, tuple(notes))


def _table(document: Mapping[str, object]) -> Table:
    columns, foreign = document.get("columns"), document.get("foreign_keys")
    if not isinstance(columns, list) or not isinstance(foreign, list):
        raise malformed()
    primary, unique = document.get("primary_key"), document.get("unique_keys")
    keys = [primary, *(unique if isinstance(unique, list) else [])]
    return Table(
        columns={str(item["name"]): str(item.get("type")) for item in columns},
        masks={str(item["name"]): str(item["mask"]) for item in columns if item.get("mask")},
        keys=[[str(column) for column in key] for key in keys if isinstance(key, list) and key],
        parents=frozenset(str(key.get("target")) for key in foreign if isinstance(key, dict)),
    )


def _columns(place: Place, root: Table, by: Sequence[str]) -> Sequence[str]:
    for column in by:
        if column not in root.columns:
            raise UsageMistake(
                f"{place.table} has no column '{column}'.", suggestions=["Its columns: " + ", ".join(root.columns)]
            )
    known = [key for key in root.keys if all(column in root.columns for column in key)]
    if not by and not known:
        raise UsageMistake(
            f"{place.table} has no key that you may see.", suggestions=["Say which column chooses rows: --by COLUMN"]
        )
    return by or known[0]


def _family(gateway: Gateway, place: Place, root: Table) -> tuple[list[str], bool]:
    """The table, those that refer to it (and so on), and all that these need; and whether every table was looked at."""
    names = [name for name in gateway.tables(place.provider, place.database) if name != place.table]
    complete = len(names) <= MAX_TABLES_LOOKED_AT
    known = {place.table: root}
    if complete:
        known |= _describe(gateway, place, names)
    below = {place.table}
    while more := {name for name, table in known.items() if table.parents & below} - below:
        below |= more
    needed = set(below)
    while more := {parent for name in needed if name in known for parent in known[name].parents} - needed:
        if not complete:
            known |= _describe(gateway, place, sorted(more - known.keys()))
        needed |= more
    return sorted(needed & known.keys()), complete


def _describe(gateway: Gateway, place: Place, names: Iterable[str]) -> dict[str, Table]:
    def look(name: str) -> tuple[str, Table | None]:
        try:
            return name, _table(gateway.describe(place.provider, place.database, name))
        except (NotFound, UsageMistake):  # it went away, or is not to be read
            return name, None
        except HfitClientError as error:
            error.suggest("Or write the template by hand: hfit pkg-example")
            raise

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return {name: table for name, table in pool.map(look, names) if table is not None}


def _parameter(column: str) -> str:
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column).lower()
    name = re.sub(r"[^a-z0-9_]", "_", name)
    return f"p_{name}" if name[:1].isdigit() else name


def _type(sql_type: str) -> str:
    return next((ours for theirs, ours in _PARAMETER_TYPES if re.match(theirs, sql_type.lower())), "text")


def _text(place: Place, name: str, parameters: Mapping[str, str], root: Table, family: Sequence[str]) -> str:
    where = " AND ".join(f"{place.quoted(column)} = ${{{parameter}}}" for parameter, column in parameters.items())
    source = [f"      dbms: {_scalar(place.provider)}"]
    source += [f"      database: {_scalar(place.database)}"] if place.several else []
    masked = ", ".join(f"{column} ({mask})" for column, mask in root.masks.items())
    return "\n".join([
        f"# Drafted from {place.provider}/{place.table}. Next: hfit pkg-tmpl lint FILE, hfit pkg-tmpl create FILE.",
        "hfitVersion: 1",
        f"templateName: {_scalar(name)}",
        f"description: {_scalar(f'One {place.bare} with everything that belongs to it')}",
        "",
        "# The folder that the package becomes; every case gets its own.",
        f"packageName: {_scalar(name)}-" + "-".join(f"${{{parameter}}}" for parameter in parameters),
        "",
        "# What the caller gives. A value of another type is refused before anything is read.",
        "parameters:",
        *(line for parameter, column in parameters.items() for line in (
            f"  {parameter}:",
            f"    type: {_type(root.columns[column])}",
            "    required: true",
            f"    description: {_scalar(f'{column} of the {place.bare}')}",
        )),
        "",
        "exports:",
        "",
        "  # The tables, so that the package loads into an empty database.",
        "  10-tables.sql:",
        "    type: table-create",
        "    data:",
        *source,
        "      tablelist:",
        *(f"        - {_scalar(table)}" for table in family),
        "      option: ifnotexists",
        "",
        "  # The row, every row that refers to it, and every row that those need: no reference leads nowhere.",
        *([f"  # Of {place.bare} the policy masks {masked}."] if masked else []),
        "  20-rows.sql:",
        "    type: subset",
        "    data:",
        *source,
        "      roots:",
        f"        - table: {_scalar(place.table)}",
        f"          where: {_scalar(where)}",
        "      # all: the rows that refer to it come along. Or none, or a list of tables.",
        "      children: all",
        "      # More than this is an error, never a shorter package.",
        "      limits:",
        f"        max_rows: {MAX_ROWS}",
        f"        max_children_per_row: {MAX_CHILDREN_PER_ROW}",
        "",
    ])  # fmt: skip


def _scalar(text: str) -> str:
    """A text as YAML: plain where it can only be text, otherwise quoted as JSON, which YAML reads alike."""
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_. -]*[A-Za-z0-9_]", text)
    if plain and text.lower() not in ("null", "true", "false", "yes", "no", "on", "off"):
        return text
    if '"' in text and "'" not in text and text.isprintable():
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False)
