"""What ``hfitd check`` says of a PostgreSQL login: everything it can do besides reading.

The role is the last guard when all others fail (O13), so each power that a reader does not need is named, also those
of roles that it can become by SET ROLE. Warnings only are: CREATEDB, which touches nothing that exists; the schema
``public`` before version 15, where everybody may create; and reading more than tables.
"""

from __future__ import annotations

from typing import Any

from hfitd.engines.interface import ServerReport
from hfitd.engines.postgres_catalog import server_version
from hfitd.engines.postgres_errors import Stage, translated

_ROLE = """
SELECT current_setting('server_version') AS version, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls,
    ARRAY(SELECT r.rolname::text FROM pg_roles r
        WHERE r.rolname IN ('pg_write_all_data', 'pg_read_server_files', 'pg_write_server_files',
            'pg_execute_server_program', 'pg_signal_backend', 'pg_maintain', 'pg_create_subscription')
        AND pg_has_role(r.oid, 'MEMBER') ORDER BY 1) AS powers,
    has_database_privilege(current_database(), 'CREATE') AS may_create
FROM pg_roles WHERE rolname = current_user
"""
_WRITABLE = """
SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'f') AND n.nspname <> 'information_schema' AND left(n.nspname, 3) <> 'pg_'
    AND (has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
        OR has_any_column_privilege(c.oid, 'INSERT, UPDATE'))
"""
_CREATABLE = """
SELECT count(*) FILTER (WHERE nspname <> 'public') AS others, count(*) FILTER (WHERE nspname = 'public') AS public
FROM pg_namespace
WHERE nspname <> 'information_schema' AND left(nspname, 3) <> 'pg_' AND has_schema_privilege(oid, 'CREATE')
"""
_BECOMES = """
SELECT r.rolname::text AS name, r.rolsuper OR r.rolcreaterole OR r.rolreplication OR r.rolbypassrls AS strong,
    (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'v', 'f') AND n.nspname <> 'information_schema' AND left(n.nspname, 3) <> 'pg_'
            AND (has_table_privilege(r.oid, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
                OR has_any_column_privilege(r.oid, c.oid, 'INSERT, UPDATE'))) AS writable
FROM pg_roles r
WHERE r.rolname <> current_user AND left(r.rolname, 3) <> 'pg_' AND pg_has_role(r.oid, 'MEMBER')
ORDER BY 1
"""
_EXTRAS = """
SELECT ARRAY(SELECT r.rolname::text FROM pg_roles r
        WHERE r.rolname IN ('pg_read_all_data', 'pg_monitor', 'pg_read_all_stats', 'pg_read_all_settings')
        AND pg_has_role(r.oid, 'MEMBER') ORDER BY 1) AS readers,
    (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'v', 'f') AND n.nspname <> 'information_schema' AND left(n.nspname, 3) <> 'pg_'
            AND (has_table_privilege(c.oid, 'SELECT WITH GRANT OPTION')
                OR has_any_column_privilege(c.oid, 'SELECT WITH GRANT OPTION'))) AS passes_on
"""
_ATTRIBUTES = (
    ("rolcreaterole", "the role may create roles"),
    ("rolreplication", "the role may replicate, which reads everything"),
    ("rolbypassrls", "the role bypasses row security"),
    ("may_create", "the role may create schemas"),
)
_PUBLIC_CLOSED_SINCE = 150000


async def report_server(connection: Any) -> ServerReport:
    """The version and one sentence for each power."""
    with translated(Stage.OWN):
        role = await connection.fetchrow(_ROLE)
        writable = await connection.fetchval(_WRITABLE)
        creatable = await connection.fetchrow(_CREATABLE)
        becomes = await connection.fetch(_BECOMES)
        extras = await connection.fetchrow(_EXTRAS)
    version = str(role["version"]).split(" ")[0]
    if role["rolsuper"]:
        return ServerReport("postgresql", version, excess=("the role is a superuser",))
    excess = [words for attribute, words in _ATTRIBUTES if role[attribute]]
    excess += [f"the role is a member of {power}" for power in role["powers"]]
    if writable:
        excess.append(f"the role may write to {writable} tables")
    if creatable["others"]:
        excess.append(f"the role may create objects in {creatable['others']} schemas")
    if extras["passes_on"]:
        excess.append(f"the role may pass on its rights to {extras['passes_on']} tables")
    for other in becomes:
        if other["strong"] or other["writable"]:
            excess.append(f"the role may become {other['name']}, which can do more than read")
    warnings = ["the role may create databases"] if role["rolcreatedb"] else []
    warnings += [f"the role is a member of {name}, which reading tables does not need" for name in extras["readers"]]
    if creatable["public"]:
        closed = server_version(connection) >= _PUBLIC_CLOSED_SINCE
        (excess if closed else warnings).append("the role may create objects in schema public")
    return ServerReport("postgresql", version, tuple(warnings), tuple(excess))
