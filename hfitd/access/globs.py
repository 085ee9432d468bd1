"""Objects of permissions as text, and the globs that match them.

An object is ``PROVIDER/SCHEMA/TABLE[.COLUMN]``, ``VOLUME/PATH`` or a template name. In names of tables and columns
the characters that have a meaning here (``% / . * ?``) are written ``%2F`` and so on, in objects and in globs alike,
so that a table called ``a.b`` can never be taken for the column ``b`` of a table ``a``.

In a glob ``*`` is any run of characters within one segment, ``?`` one character of a segment, ``**`` any run across
segments; ``**`` as a whole segment also stands for no segment (``logs/**`` covers ``logs`` itself). Nothing else is
special. The first dot of the last segment of a table glob parts table from column.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hfitd.model import TableName

_SPECIAL = re.compile(r"[%/.*?]")
_ESCAPE = re.compile(r"%[0-9a-fA-F]{2}")


def escape(name: str) -> str:
    """One name as it stands in an object or a glob."""
    return _SPECIAL.sub(lambda found: f"%{ord(found[0]):02X}", name)


def table_object(provider: str, table: TableName, column: str | None = None) -> str:
    """The object of a table, or of one of its columns."""
    path = "/".join((escape(provider), escape(table.schema), escape(table.name)))
    return path if column is None else f"{path}.{escape(column)}"


def split_column(text: str) -> tuple[str, str | None]:
    """A table object or glob as its path and its column, if it has one."""
    head, slash, last = text.rpartition("/")
    name, dot, column = last.partition(".")
    return head + slash + name, column if dot else None


@dataclass(frozen=True, slots=True)
class Glob:
    """A compiled glob. ``column`` is None when it covers whole tables, or when its objects have no columns."""

    text: str
    path: re.Pattern[str]
    column: re.Pattern[str] | None = None

    def covers_path(self, path: str) -> bool:
        """Whether the part without the column matches."""
        return self.path.fullmatch(path) is not None

    def covers(self, path: str, column: str | None = None) -> bool:
        """Whether it covers all of the object: a column glob does not cover a whole table."""
        if not self.covers_path(path):
            return False
        if self.column is None:
            return True
        return column is not None and self.column.fullmatch(column) is not None


def compile_glob(text: str, *, columns: bool = False, fold: bool = False) -> Glob:
    """A glob ready to match. ``columns``: of tables and columns; ``fold``: upper and lower case are equal.

    What hides (masks, denials, row filters) folds case, what shows does not, so that a spelling that differs from
    the catalogue's errs on the side of hiding. ValueError names what is wrong with the text.
    """
    if not text or text != text.strip():
        raise ValueError("a glob is empty or has blanks around it")
    if any(ord(character) < 32 for character in text):
        raise ValueError("a glob holds a control character")
    if "" in text.split("/"):
        raise ValueError(f"the glob {text!r} has an empty segment")
    path, column = split_column(text) if columns else (text, None)
    if column == "" or path.endswith("/"):
        raise ValueError(f"the glob {text!r} has an empty name")
    # a column pattern that matches everything covers the table as well
    whole = column is not None and set(column) == {"*"}
    flags = re.IGNORECASE if fold else re.NOFLAG
    return Glob(
        text,
        re.compile(_path_pattern(path), flags | re.DOTALL),
        None if column is None or whole else re.compile(_segment_pattern(column), flags | re.DOTALL),
    )


def _path_pattern(path: str) -> str:
    segments = path.split("/")
    pattern = ""
    for number, segment in enumerate(segments):
        if segment != "**":
            pattern += ("/" if number and not pattern.endswith("/)*") else "") + _segment_pattern(segment)
        elif number == 0:
            pattern += ".*" if len(segments) == 1 else "(?:[^/]+/)*"
        elif number == len(segments) - 1:
            pattern += "[^/]*" if pattern.endswith("/)*") else "(?:/.*)?"
        else:
            pattern += "" if pattern.endswith("/)*") else "/(?:[^/]+/)*"
    return pattern


def _segment_pattern(segment: str) -> str:
    segment = _ESCAPE.sub(lambda found: found[0].upper(), segment)
    parts = re.split(r"(\*+|\?)", segment)
    words = {"": "", "*": "[^/]*", "?": "[^/]"}
    return "".join(words.get(part, ".*" if part.startswith("**") else re.escape(part)) for part in parts)
