"""The small languages inside configuration values: globs, grants, row filters. Each returns what is wrong, or ''."""

from __future__ import annotations

import re

from hfitd.config.mistakes import did_you_mean
from hfitd.model import Action

TABLE_ACTIONS = frozenset({Action.ROWS, Action.QUERY, Action.DDL})
FILE_ACTIONS = frozenset({Action.FILES_LIST, Action.FILES_READ})


def column_glob_problem(glob: str) -> str:
    """What keeps the text from being ``PROVIDER/SCHEMA/TABLE.COLUMN``."""
    parts = glob.split("/")
    if len(parts) != 3 or "." not in parts[2] or not all(parts) or "" in parts[2].split("."):
        return "must be PROVIDER/SCHEMA/TABLE.COLUMN"
    return ""


def table_glob_problem(glob: str) -> str:
    """What keeps the text from being ``PROVIDER/SCHEMA/TABLE``."""
    parts = glob.split("/")
    return "" if len(parts) == 3 and all(parts) else "must be PROVIDER/SCHEMA/TABLE"


def grant_problem(grant: str) -> str:
    """What keeps the text from being ``[!]ACTION:OBJECT``."""
    action, colon, target = grant.removeprefix("!").partition(":")
    actions = [member.value for member in Action]
    if action not in actions:
        return f"{action or 'nothing'} is no action{did_you_mean(action, actions)}; they are {', '.join(actions)}"
    if not colon or not target:
        return f'needs an object, such as "{action}:*"'
    if any(ord(char) < 32 for char in target) or "" in target.split("/"):
        return "has an empty part or a control character in its object"
    parts = target.split("/")
    if action in TABLE_ACTIONS and "**" not in target and target != "*" and len(parts) != 3:
        return "must name PROVIDER/SCHEMA/TABLE or PROVIDER/SCHEMA/TABLE.COLUMN"
    if action == Action.RAW and "**" not in target and target != "*" and len(parts) < 2:
        return "must name PROVIDER/SCHEMA/TABLE, PROVIDER/SCHEMA/TABLE.COLUMN or VOLUME/PATH"
    if action in FILE_ACTIONS and "**" not in target and target != "*" and len(parts) < 2:
        return "must name VOLUME/PATH"
    return ""


def row_filter_problem(where: str) -> str:
    """What keeps the text from being one expression: ``;``, comments, parentheses or quotes that do not close."""
    depth = 0
    position = 0
    token = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`|--|/\*|\*/|[;#'\"`()\\]|\$[A-Za-z_0-9]*\$")
    while match := token.search(where, position):
        position, found = match.end(), match[0]
        if found == "(":
            depth += 1
        elif found == ")":
            depth -= 1
            if depth < 0:
                return "closes a parenthesis that it did not open"
        elif found in "'\"`":
            return "opens a quote that it does not close"
        elif len(found) == 1 or found in ("--", "/*", "*/") or found.startswith("$"):
            return f"must be one expression; {found} is not allowed"
        elif "\\" in found:
            return "must not hold a backslash: servers read it in different ways"
    return "opens a parenthesis that it does not close" if depth else ""
