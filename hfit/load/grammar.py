"""How names, rows of literals and the heads of INSERT statements are written in our packages, by engine.

Quotes and backslashes inside a literal of MySQL are doubled, so that it ends in the same place whatever the session
says of backslashes. Every repetition is possessive: a text is looked at once.
"""

from __future__ import annotations

import re

NAME = {
    "postgresql": rb'(?:"(?:[^"]|"")+"|[A-Za-z_\x80-\xff][\w$\x80-\xff]*)',
    "mysql": rb"(?:`(?:[^`]|``)+`|[\w$\x80-\xff]+)",
    "sqlite": rb'(?:"(?:[^"]|"")+"|`(?:[^`]|``)+`|\[[^\]]+\]|[A-Za-z_\x80-\xff][\w$\x80-\xff]*)',
}
PLACE = {engine: rb"(" + name + rb")(?:\s*\.\s*(" + name + rb"))?" for engine, name in NAME.items()}
COLUMNS = {engine: rb"\s*\(\s*(" + name + rb"(?:\s*,\s*" + name + rb")*)\s*\)" for engine, name in NAME.items()}
INSERT = {
    engine: re.compile(rb"INSERT\s+INTO\s+" + place + rb"(?:" + COLUMNS[engine] + rb")?\s*VALUES\s*", re.I)
    for engine, place in PLACE.items()
}
_LITERAL = (
    rb"(?:'[^'\\]*+(?:(?:''|\\\\)[^'\\]*+)*+'|[-+]?[0-9]++(?:\.[0-9]++)?(?:[eE][-+]?[0-9]++)?|NULL|"
    rb"[xX]'[0-9A-Fa-f]*+'|_[a-z0-9]++ [xX]'[0-9A-Fa-f]*+')"
)
_ROW = rb"\(\s*+" + _LITERAL + rb"\s*+(?:,\s*+" + _LITERAL + rb"\s*+)*+\)"
MYSQL_ROWS = re.compile(_ROW + rb"(?:\s*+,\s*+" + _ROW + rb")*+")
