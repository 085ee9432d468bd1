"""Which release of MySQL or MariaDB a package needs where it is loaded, known before a row is read.

By the release notes of MySQL 5.7 to 9.0 and MariaDB 10.2 to 11.7: types, collations and definitions that an older
server, or the other product, refuses. What MySQL 5.7 and MariaDB 10.2 take is not listed. Of definitions the name is
told, never the words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from hfitd.engines.interface import Requirement
from hfitd.engines.mysql_create import Created
from hfitd.model import Column, Relation

Releases = tuple[tuple[str, str], ...]

_TYPES: dict[str, Releases] = {
    "inet6": (("mariadb", "10.5"),),
    "inet4": (("mariadb", "10.10"),),
    "uuid": (("mariadb", "10.7"),),
    "vector": (("mariadb", "11.7"), ("mysql", "9.0")),
}
_COLLATIONS: tuple[tuple[str, Releases], ...] = (
    ("utf8mb4_0900_", (("mariadb", "11.4"), ("mysql", "8.0"))),
    ("uca1400_", (("mariadb", "10.10"),)),
)
_STRINGS = re.compile(r"'(?:[^'\\]|\\.|'')*'")
_COMMENTS = re.compile(r"/\*.*?\*/", re.DOTALL)  # what stands in /*!80023 ... */ older servers pass over
_NAMES = re.compile(r"`(?:[^`]|``)*`")
_NAME = re.compile(r"`((?:[^`]|``)*)`")
_COLUMN_WORDS: tuple[tuple[str, re.Pattern[str], Releases], ...] = (
    ("invisible column", re.compile(r"\bINVISIBLE\b"), (("mariadb", "10.3"), ("mysql", "8.0.23"))),
    ("sequence", re.compile(r"\bnextval\("), (("mariadb", "10.3"),)),
    ("default", re.compile(r"\bDEFAULT \("), (("mariadb", "10.2"), ("mysql", "8.0.13"))),
    # MariaDB prints expressions without the parentheses that MySQL asks for.
    ("default", re.compile(r"\bDEFAULT (?!nextval\b|current_timestamp\b)[a-z_]+\("), (("mariadb", "10.2"),)),
)
_KEY_WORDS: tuple[tuple[str, re.Pattern[str], Releases], ...] = (
    ("index", re.compile(r"\(\("), (("mysql", "8.0.13"),)),
    ("constraint", re.compile(r"\bWITHOUT OVERLAPS\b"), (("mariadb", "10.5"),)),
    ("period", re.compile(r"^PERIOD FOR\b"), (("mariadb", "10.4"),)),
)
_KEYS = ("PRIMARY ", "UNIQUE ", "KEY ", "INDEX ", "FULLTEXT ", "SPATIAL ", "VECTOR ", "PERIOD ")


def required_of_rows(relations: Sequence[Relation]) -> tuple[Requirement, ...]:
    """What the types of these columns ask of a target."""
    return tuple(
        found
        for relation in relations
        for item in relation.columns
        for found in _of_column(item.column, str(relation.table.name))
    )


def required_of_definition(created: Created, relation: Relation) -> tuple[Requirement, ...]:
    """What the statement that creates this table asks of a target."""
    table = str(relation.table.name)
    found = []
    for element in created.elements:
        words = _COMMENTS.sub("", _NAMES.sub("``", _STRINGS.sub("''", element)))
        is_column = element.startswith("`")
        if not is_column and not words.startswith(_KEYS):
            continue
        for what, phrase, releases in _COLUMN_WORDS if is_column else _KEY_WORDS:
            if phrase.search(words):
                named = _NAME.search(element)
                found.append(Requirement(what, named[1].replace("``", "`") if named else what, table, releases))
    return tuple(found)


def _of_column(column: Column, table: str) -> Iterable[Requirement]:
    base = re.split(r"[(\s]", column.type_name.lower(), maxsplit=1)[0]
    if releases := _TYPES.get(base):
        yield Requirement("type", column.name, table, releases)
    for part, releases in _COLLATIONS:
        if column.collation and part in column.collation:
            yield Requirement("collation", column.name, table, releases)
