"""What ``hfitd check`` says of a PostgreSQL login: everything it can do besides reading.

The role is the last guard when all others fail, so each power that a reader does not need is named.
"""

from __future__ import annotations

from typing import Any

from hfitd.engines.interface import ServerReport
from hfitd.engines.postgres_errors import Stage, translated

_ROLE = """
SELECT current_setting('server_version') AS version, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls,
    ARRAY(SELECT r.rolname::text FROM pg_roles r
        WHERE r.rolname IN ('pg_write_all_data', 'pg_read_server_files', 'pg_write_server_files',
            'pg_execute_server_program', 'pg_signal_backend', 'pg_maintain')
        AND pg_has_role(r.oid, 'MEMBER') ORDER BY 1) AS powers
FROM pg_roles WHERE rolname = current_user
"""
_WRITABLE = """
SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'f') AND n.nspname <> 'information_schema' AND left(n.nspname, 3) <> 'pg_'
    AND has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
"""
_CREATABLE = """
SELECT count(*) FROM pg_namespace
WHERE nspname <> 'information_schema' AND left(nspname, 3) <> 'pg_' AND has_schema_privilege(oid, 'CREATE')
"""
_ATTRIBUTES = (
    ("rolsuper", "the role is a superuser"),
    ("rolcreaterole", "the role may create roles"),
    ("rolcreatedb", "the role may create databases"),
    ("rolreplication", "the role may replicate, which reads everything"),
    ("rolbypassrls", "the role bypasses row security"),
)


async def report_server(connection: Any) -> ServerReport:
    """The version and one warning for each power."""
    with translated(Stage.OWN):
        role = await connection.fetchrow(_ROLE)
        writable = await connection.fetchval(_WRITABLE)
        creatable = await connection.fetchval(_CREATABLE)
    warnings = [words for attribute, words in _ATTRIBUTES if role[attribute]]
    if not role["rolsuper"]:
        warnings += [f"the role is a member of {power}" for power in role["powers"]]
    if writable:
        warnings.append(f"the role may write to {writable} tables")
    if creatable:
        warnings.append(f"the role may create objects in {creatable} schemas")
    return ServerReport("postgresql", str(role["version"]).split(" ")[0], tuple(warnings))
