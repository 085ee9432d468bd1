"""The least that a PostgreSQL role needs to serve a policy, as a script for whoever owns the tables.

1. First everything is taken from the role in the schemas at hand, so that the script can be run again after a change.
2. Then each table gives exactly the columns that are needed, never the table: a column added later is not readable
   until somebody decides. Tables without a key give their row address as well, which names rows in a snapshot.
3. What everybody may do (PUBLIC) is only named in remarks: to take it away changes other users of the database.
4. A remark ends with its line, and whoever may make a schema chooses its name: line breaks in it are spelt out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hfitd.config.model import ProviderConfig
from hfitd.engines.postgres_dialect import PostgresDialect
from hfitd.model import Catalog, TableNeed

_TABLES = ("table", "partitioned", "partition")


def postgres_role_script(
    provider: ProviderConfig, role: str, catalog: Catalog, needs: Sequence[TableNeed]
) -> list[str]:
    """The lines of the script; to be run connected to the catalogue's database."""
    dialect = PostgresDialect()
    name, database = dialect.identifier(role), dialect.identifier(catalog.database)
    milliseconds = round(provider.statement_timeout_seconds * 1000)
    lines = [
        f"-- CREATE ROLE {name} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD '...';",
        f"ALTER ROLE {name} CONNECTION LIMIT {provider.max_connections + 1};",
        f"ALTER ROLE {name} SET default_transaction_read_only = on;",
        f"ALTER ROLE {name} SET statement_timeout = {milliseconds};",
        f"ALTER ROLE {name} SET idle_in_transaction_session_timeout = '60s';",
        f"REVOKE ALL ON DATABASE {database} FROM {name};",
        f"GRANT CONNECT ON DATABASE {database} TO {name};",
    ]
    schemas = sorted({table.schema for table in catalog.tables})
    for schema in map(dialect.identifier, schemas):
        lines += [
            f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {name};",  # 1
            f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA {schema} FROM {name};",
            f"REVOKE ALL ON SCHEMA {schema} FROM {name};",
        ]
    used = sorted({need.table.name.schema for need in needs})
    lines += [f"GRANT USAGE ON SCHEMA {dialect.identifier(schema)} TO {name};" for schema in used]
    lines += _tables(dialect, name, needs)
    lines += _sequences(dialect, name, catalog, needs)
    return [
        *lines,
        "-- What PUBLIC may do, this role may do too. Look at these before you run them; others may rely on them:",  # 3
        f"-- REVOKE TEMPORARY ON DATABASE {_in_remark(catalog.database)} FROM PUBLIC;",
        *(f"-- REVOKE CREATE ON SCHEMA {_in_remark(schema)} FROM PUBLIC;" for schema in schemas),
    ]


def _in_remark(name: str) -> str:
    """The name in double quotes on one line (4); PostgreSQL manual, "Identifiers and Key Words", Unicode escapes."""
    if "\n" not in name and "\r" not in name:
        return PostgresDialect().identifier(name)
    spelt = name.replace("\\", "\\\\").replace("\n", "\\000A").replace("\r", "\\000D")
    return "U&" + PostgresDialect().identifier(spelt)


def _tables(dialect: PostgresDialect, role: str, needs: Sequence[TableNeed]) -> Iterable[str]:
    for need in needs:
        table = dialect.qualified(need.table.name.schema, need.table.name.name)
        if not need.columns:
            yield f"GRANT REFERENCES ON TABLE {table} TO {role};  -- its definition only, no rows"
            continue
        columns = [dialect.identifier(column) for column in need.columns]
        if need.table.kind in _TABLES and (not need.table.row_key or need.table.kind != "table"):
            columns += ["ctid", "tableoid"]  # 2
        yield f"GRANT SELECT ({', '.join(columns)}) ON TABLE {table} TO {role};"


def _sequences(
    dialect: PostgresDialect, role: str, catalog: Catalog, needs: Sequence[TableNeed]
) -> Iterable[str]:
    defined = {need.table.name for need in needs if need.defined}
    for sequence in catalog.sequences:
        if sequence.owned_by is not None and sequence.owned_by[0] in defined:
            name = dialect.qualified(sequence.name.schema, sequence.name.name)
            yield f"GRANT SELECT ON SEQUENCE {name} TO {role};"
