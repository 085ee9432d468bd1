"""What a MySQL role can do besides reading, from its own SHOW GRANTS.

A grant itself is never printed: MariaDB's hold a password hash. REFERENCES is not complained of: alone it allows
nothing, and a role with column grants needs it on its databases, for MariaDB shows it foreign keys and table
definitions only then.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_GRANT = re.compile(r"GRANT (?P<what>.+?) ON (?P<scope>(?:`(?:[^`]|``)*`|\*)\.(?:`(?:[^`]|``)*`|\*)) TO ", re.DOTALL)
# roles that the account can take on: GRANT `reader`, `writer`@`%` TO `hfit`@`%`
_NAME = r"`(?:[^`]|``)*`(?:@`(?:[^`]|``)*`)?"
_ROLES = re.compile(rf"GRANT (?P<roles>{_NAME}(?:, ?{_NAME})*) TO ")
_PROXY = re.compile(r"GRANT PROXY ON ")
_COLUMNS = re.compile(r"\((?:`(?:[^`]|``)*`|[^()`])*\)")  # of a column grant
# All that reading needs or that shows no rows and changes nothing. What is not here is excess, also what a later
# server invents.
_READS = frozenset((
    "USAGE", "SELECT", "SHOW VIEW", "SHOW DATABASES", "SHOW_ROUTINE", "SHOW CREATE ROUTINE", "REFERENCES",
    "REPLICATION CLIENT", "BINLOG MONITOR", "SLAVE MONITOR", "REPLICA MONITOR",
))  # fmt: skip
_NEEDLESS = frozenset(("LOCK TABLES", "CREATE TEMPORARY TABLES"))  # harm nothing in a read-only transaction
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
    "PROXY": "it can act as another account",
}


def powers_of(grants: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Warnings and excess: one sentence for each thing the role can do that reading does not need."""
    privileges: set[str] = set()
    can_grant = False
    for grant in grants:
        if _PROXY.match(grant):
            privileges.add("PROXY")
        match = _GRANT.match(grant)
        if match:
            names = _names(match["what"])
            privileges.update(names)
            if match["scope"] == "*.*" and "ALL PRIVILEGES" in names:
                privileges.update(("FILE", "SUPER", "PROCESS"))
            can_grant = can_grant or re.search(r" WITH .*GRANT OPTION", grant[match.end() :]) is not None
    needless = sorted(privileges & _NEEDLESS)
    warnings = [f"The role has {', '.join(needless)}, which reading does not need."] if needless else []
    return tuple(warnings), tuple(_excess(sorted(privileges), can_grant=can_grant))


def roles_of(grants: Iterable[str]) -> list[str]:
    """The roles that the account can take on besides its own rights, quoted as SHOW GRANTS wrote them."""
    found = [match["roles"] for grant in grants if (match := _ROLES.match(grant))]
    return [name for names in found for name in re.findall(_NAME, names)]


def _names(what: str) -> list[str]:
    return [name.strip().upper() for name in _COLUMNS.sub("", what).split(",")]


def _excess(privileges: Sequence[str], *, can_grant: bool) -> Iterable[str]:
    for name, why in _POWERS.items():
        if name in privileges:
            yield f"The role has {name}: {why}. Revoke it."
    more = [name for name in privileges if name not in _READS | _NEEDLESS | _POWERS.keys()]
    if more:
        yield f"The role can do more than read ({', '.join(more)}). Grant it SELECT only."
    if can_grant:
        yield "The role has GRANT OPTION: it can pass on its rights. Revoke it."
