"""Databases on the test servers, through the servers' own clients: run SQL, make empty ones, load the sample sets."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import itertools
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.live.servers import Server, find_binary

DATA = Path(__file__).resolve().parent.parent / "data"
_numbers = itertools.count(1)


def run_sql(server: Server, script: str | bytes, database: str = "") -> str:
    """Run a script as superuser, stop at the first error, return what it printed (unaligned, no headers)."""
    text = script.encode() if isinstance(script, str) else script
    argv, secret = client_command(server, database)
    done = subprocess.run(argv, env={**os.environ, **secret}, input=text, capture_output=True, check=False)
    if done.returncode:
        raise AssertionError(done.stderr.decode(errors="replace")[-2000:])
    return done.stdout.decode()


def client_command(server: Server, database: str) -> tuple[list[str], dict[str, str]]:
    """The engine's own client as superuser, that runs what comes in, and the environment it needs."""
    if server.kind == "postgresql":
        psql = find_binary("psql", "HFIT_TEST_PG_BIN", "postgresql-client")
        argv = [
            str(psql), "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", server.host, "-p", str(server.port), "-U", server.user,
            "-d", database or "postgres", "-f", "-",
        ]  # fmt: skip
        return argv, {"PGPASSWORD": server.password, "PGCLIENTENCODING": "UTF8"}
    client = find_binary("mariadb", "HFIT_TEST_MYSQL_BIN", "mariadb-client-core")
    argv = [
        str(client), "--no-defaults", "--protocol=tcp", f"--host={server.host}", f"--port={server.port}",
        f"--user={server.user}", "--default-character-set=utf8mb4", "--batch", "--skip-column-names",
        database or "mysql",
    ]  # fmt: skip
    return argv, {"MYSQL_PWD": server.password}


def _quoted(server: Server, name: str) -> str:
    quote = '"' if server.kind == "postgresql" else "`"
    return quote + name.replace(quote, quote * 2) + quote


def create_database(server: Server, name: str = "") -> str:
    """A fresh, empty database; its name."""
    chosen = name or f"test_{os.getpid()}_{next(_numbers)}"
    options = " TEMPLATE template0 STRATEGY file_copy" if server.kind == "postgresql" else ""
    run_sql(server, f"CREATE DATABASE {_quoted(server, chosen)}{options};")
    return chosen


def drop_database(server: Server, name: str) -> None:
    """Remove a database, and whoever is still connected to it."""
    force = " WITH (FORCE)" if server.kind == "postgresql" else ""
    run_sql(server, f"DROP DATABASE IF EXISTS {_quoted(server, name)}{force};")


@contextlib.contextmanager
def fresh_database(server: Server) -> Iterator[str]:
    """A database that lives as long as the block."""
    name = create_database(server)
    try:
        yield name
    finally:
        drop_database(server, name)


def _read(path: str) -> bytes:
    return gzip.decompress((DATA / path).read_bytes())


def load_sakila(server: Server) -> str:
    """Load Sakila; the database is ``sakila``."""
    if server.kind == "postgresql":
        create_database(server, "sakila")
        script = _read("sakila/postgres-sakila-schema.sql.gz") + _read(
            "sakila/postgres-sakila-insert-data-using-copy.sql.gz"
        )
        run_sql(server, script, "sakila")
    else:
        run_sql(server, _read("sakila/mysql-sakila-mv-schema.sql.gz") + _read("sakila/mysql-sakila-mv-data.sql.gz"))
    return "sakila"


def load_chinook(server: Server) -> str:
    """Load Chinook; the database is ``chinook`` on PostgreSQL and ``Chinook`` on MariaDB, as its scripts name it."""
    if server.kind == "postgresql":
        create_database(server, "chinook")
        script = _read("chinook/Chinook_PostgreSql.sql.gz")
        # Its own DROP, CREATE and \c would leave our connection settings.
        run_sql(server, re.sub(rb"(?m)^(DROP DATABASE|CREATE DATABASE|\\c) .*$", b"", script), "chinook")
        return "chinook"
    run_sql(server, _read("chinook/Chinook_MySql.sql.gz"))
    return "Chinook"


def load_nasty(server: Server) -> str:
    """Load the torture set: database ``nasty``; on MariaDB its PostgreSQL schemas are databases of their own."""
    if server.kind == "postgresql":
        create_database(server, "nasty")
        run_sql(server, _read("nasty/nasty_pg.sql.gz"), "nasty")
    else:
        run_sql(server, _read("nasty/nasty_mysql.sql.gz"))
        run_sql(server, _read("nasty/nasty_mariadb_only.sql.gz"))
    return "nasty"


def unpack_chinook(directory: Path) -> Path:
    """Chinook as an SQLite file in ``directory``."""
    path = directory / "chinook.sqlite"
    with gzip.open(DATA / "chinook/Chinook_Sqlite.sqlite.gz") as packed, path.open("wb") as target:
        shutil.copyfileobj(packed, target)
    return path


def value_digests(server: Server, database: str) -> str:
    """Count and digest of the values of every table, a line each: equal text means equal data.

    Independent of storage, order and defaults; columns count in their order. The published digests of ``tests/data``
    were made the same way.
    """
    if server.kind == "postgresql":
        return run_sql(server, (DATA / "nasty/digest_pg.sql").read_text(), database)
    listing = (
        "SELECT HEX(table_name) FROM information_schema.tables"
        f" WHERE table_schema = {_literal(database)} AND table_type = 'BASE TABLE' ORDER BY CAST(table_name AS BINARY);"
    )
    tables = [bytes.fromhex(line).decode() for line in run_sql(server, listing).split()]
    return "".join(_table_digest(server, database, table) for table in tables)


_AS_TEXT = {
    "int", "bigint", "tinyint", "smallint", "mediumint", "decimal", "year", "date", "time", "datetime", "timestamp",
    "float", "double",
}  # fmt: skip


def _table_digest(server: Server, database: str, table: str) -> str:
    # information_schema compares names without case, so the name is compared as bytes.
    columns = run_sql(
        server,
        "SELECT HEX(column_name), data_type FROM information_schema.columns"
        f" WHERE table_schema = {_literal(database)} AND CAST(table_name AS BINARY) = X'{table.encode().hex()}'"
        " ORDER BY ordinal_position;",
    )
    values = []
    for line in columns.splitlines():
        name, kind = line.split("\t")
        column = _quoted(server, bytes.fromhex(name).decode())
        value = f"{column}+0" if kind == "bit" else f"CAST({column} AS CHAR)" if kind in _AS_TEXT else column
        values.append(f"IF({column} IS NULL, 'N', CONCAT('V', HEX({value})))")
    # Hashed here: newer MySQL servers have no MD5.
    rows = run_sql(
        server,
        f"SET time_zone = '+00:00', sql_mode = ''; SELECT CONCAT_WS(',', {', '.join(values)})"
        f" FROM {_quoted(server, table)};",
        database,
    ).splitlines()
    digests = sorted(hashlib.md5(row.encode()).hexdigest() for row in rows)
    return f"{table}\t{len(rows)}\t{hashlib.md5(''.join(digests).encode()).hexdigest()}\n"


def _literal(text: str) -> str:
    return f"CONVERT(X'{text.encode().hex()}' USING utf8mb4)"


def data_statements(server: Server) -> int:
    """How many LOAD DATA a MariaDB has run."""
    return int(run_sql(server, "SHOW GLOBAL STATUS LIKE 'Com_load'").split()[1])


@contextlib.contextmanager
def statements_only(server: Server) -> Iterator[None]:
    """A MariaDB that takes no LOAD DATA LOCAL."""
    run_sql(server, "SET GLOBAL local_infile = 0")
    try:
        yield
    finally:
        run_sql(server, "SET GLOBAL local_infile = 1")
