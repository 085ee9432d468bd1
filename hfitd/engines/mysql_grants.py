"""What a MySQL role can do besides reading, from its own SHOW GRANTS.

A grant itself is never printed: MariaDB's hold a password hash. REFERENCES is not complained of: alone it allows
nothing, and a role with column grants needs it on its databases, for MariaDB shows it foreign keys and table
definitions only then.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_GRANT = re.compile(r"GRANT (?P<what>.+?) ON (?P<scope>(?:`(?:[^`]|``)*`|\*)\.(?:`(?:[^`]|``)*`|\*)) TO ", re.DOTALL)
_COLUMNS = re.compile(r"\((?:`(?:[^`]|``)*`|[^()`])*\)")  # of a column grant
_WRITES = frozenset((
    "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX", "TRIGGER", "CREATE VIEW", "CREATE ROUTINE",
    "ALTER ROUTINE", "EVENT", "LOCK TABLES", "CREATE TEMPORARY TABLES", "EXECUTE", "DELETE HISTORY",
    "CREATE TABLESPACE", "CREATE USER", "CREATE ROLE", "DROP ROLE", "ALL PRIVILEGES", "ALL",
))  # fmt: skip
_POWERS = {
    "FILE": "it can read and write files of the server",
    "SUPER": "it can change the server and by-pass its limits",
    "PROCESS": "it can see the statements of other users",
    "SHUTDOWN": "it can stop the server",
    "RELOAD": "it can flush and lock the server",
    "REPLICATION SLAVE": "it can read every change of every database",
    "SYSTEM_USER": "it can act on accounts of administrators",
    "CONNECTION ADMIN": "it can end the connections of others",
    "CONNECTION_ADMIN": "it can end the connections of others",
}


def warnings_of(grants: Iterable[str]) -> tuple[str, ...]:
    """One sentence for each thing the role can do that reading does not need."""
    privileges: set[str] = set()
    can_grant = False
    for grant in grants:
        match = _GRANT.match(grant)
        if match:
            names = _names(match["what"])
            privileges.update(names)
            if match["scope"] == "*.*" and "ALL PRIVILEGES" in names:
                privileges.update(("FILE", "SUPER", "PROCESS"))
            can_grant = can_grant or grant.endswith("WITH GRANT OPTION")
    return tuple(_sentences(sorted(privileges), can_grant=can_grant))


def _names(what: str) -> list[str]:
    return [name.strip().upper() for name in _COLUMNS.sub("", what).split(",")]


def _sentences(privileges: Sequence[str], *, can_grant: bool) -> Iterable[str]:
    for name, why in _POWERS.items():
        if name in privileges:
            yield f"The role has {name}: {why}. Revoke it."
    writes = [name for name in privileges if name in _WRITES]
    if writes:
        yield f"The role can do more than read ({', '.join(writes)}). Grant it SELECT only."
    if can_grant:
        yield "The role has GRANT OPTION: it can pass on its rights. Revoke it."
