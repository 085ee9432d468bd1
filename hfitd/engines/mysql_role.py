"""The least that a MySQL or MariaDB account needs to serve a policy, as a script for an administrator.

1. First everything is taken from the account, so that the script can be run again after a change.
2. Each table gives exactly the columns that are needed. REFERENCES and SHOW VIEW on the databases show no row: without
   them the server hides foreign keys, definitions, and the names of columns that may not be read.
3. A view gets no columns later, so it is granted whole if all are needed: MariaDB shows its text only then, and a view
   whose text is hidden counts as one that reads everything.
4. In a grant on a whole database ``_`` and ``%`` are wildcards, so they are escaped; elsewhere they are letters.
"""

from __future__ import annotations

from collections.abc import Sequence

from hfitd.config.model import ProviderConfig
from hfitd.engines.mysql_dialect import MysqlDialect
from hfitd.model import Catalog, TableNeed

_KILLERS = 2  # connections that end queries, besides those that run them


def mysql_role_script(provider: ProviderConfig, role: str, catalog: Catalog, needs: Sequence[TableNeed]) -> list[str]:
    """The lines of the script. ``role`` is ``NAME`` or ``NAME@HOST``; without a host it is ``%``."""
    dialect = MysqlDialect()
    name, at, host = role.rpartition("@") if "@" in role else (role, "@", "%")
    account = f"{_quoted(name)}{at}{_quoted(host)}"
    limits = f"MAX_USER_CONNECTIONS {provider.max_connections + _KILLERS}"
    if catalog.engine == "mariadb":
        limits += f" MAX_STATEMENT_TIME {provider.statement_timeout_seconds:g}"
    lines = [
        f"-- CREATE USER {account} IDENTIFIED BY '...';",
        f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {account};",  # 1
        f"ALTER USER {account} WITH {limits};",
    ]
    for database in sorted({need.table.name.schema for need in needs}):
        pattern = dialect.identifier(database.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%"))  # 4
        lines.append(f"GRANT REFERENCES, SHOW VIEW ON {pattern}.* TO {account};")  # 2
    for need in needs:
        if need.columns:
            columns = ", ".join(dialect.identifier(column) for column in need.columns)
            whole = need.table.kind == "view" and len(need.columns) == len(need.table.columns)  # 3
            table = dialect.qualified(need.table.name.schema, need.table.name.name)
            lines.append(f"GRANT SELECT{'' if whole else f' ({columns})'} ON {table} TO {account};")
    return [*lines, "-- It has no FILE, PROCESS or SUPER, and must not get them."]


def _quoted(word: str) -> str:
    """A part of an account name; the grammar takes no other literal there."""
    return "'" + word.replace("\\", "\\\\").replace("'", "''") + "'"
