"""The shop of the contract suite on MariaDB."""

from __future__ import annotations

from dataclasses import replace

from hfitd.config.model import ProviderConfig, Secret
from hfitd.engines.table import open_engine
from tests.live.databases import fresh_database, run_sql
from tests.live.servers import Server, free_port
from tests.support.engine_worlds import SHOP, World

MYSQL_SHOP = r"""
CREATE TABLE customer (
    id integer PRIMARY KEY, name varchar(40) NOT NULL, email varchar(80) NOT NULL UNIQUE, born date,
    balance decimal(12,2), active boolean, photo blob, seen datetime(3), profile json);
CREATE TABLE purchase (
    customer_id integer NOT NULL, line integer NOT NULL, what text,
    total decimal(12,2) GENERATED ALWAYS AS (line * 1.50) STORED, PRIMARY KEY (customer_id, line),
    FOREIGN KEY (customer_id) REFERENCES customer (id));
CREATE TABLE counted (
    id integer AUTO_INCREMENT PRIMARY KEY, parent integer, FOREIGN KEY (parent) REFERENCES counted (id));
CREATE TABLE loose (a integer, b varchar(10));
CREATE VIEW grown AS SELECT id, name FROM customer WHERE born < DATE '2000-01-01';
CREATE TABLE `Odd "Name` (`select` integer PRIMARY KEY, `a b` varchar(5));
INSERT INTO customer VALUES
    (1, 'Ada', 'ada@example.com', '1815-12-10', 10.50, true, X'00ff0a5c27', '2024-02-29 23:59:59.123',
     '{"a": [1, 2.50]}'),
    (2, 'O''Hara, "Bob"', 'bob@example.com', NULL, -0.01, false, '', NULL, NULL),
    (3, 'tab\tnew\nline\rback\\slash', 'c@example.com', '2001-01-01', NULL, NULL, NULL, '1970-01-01 00:00:00', '"x"'),
    (4, '', 'd@example.com', '1999-12-31', 99999999.99, true, NULL, NULL, 'null'),
    (5, 'Zoë 李雷 🙂', 'e@example.com', NULL, 0, NULL, NULL, NULL, '{}');
INSERT INTO purchase (customer_id, line, what) VALUES (1, 2, 'tea'), (1, 1, NULL), (2, 1, '\\N');
INSERT INTO counted VALUES (10, NULL), (11, 10);
INSERT INTO loose VALUES (2, 'b'), (1, 'z'), (NULL, 'a'), (1, 'Z'), (2, 'b'), (1, NULL);
INSERT INTO `Odd "Name` VALUES (7, 'x'), (8, NULL);
"""

_COUNTS = "".join(
    f"SELECT count(*) FROM {table};" for table in ("customer", "purchase", "counted", "loose", '`Odd "Name`')
)


def mysql_provider(server: Server, database: str, **changes: object) -> ProviderConfig:
    """A provider of a test server, as its superuser."""
    values: dict[str, object] = {
        "name": "shop",
        "type": "mysql",
        "host": server.host,
        "port": server.port,
        "user": server.user,
        "password": Secret(server.password),
        "database": database,
        "tls": "disable",
    }
    return ProviderConfig(**{**values, **changes})  # type: ignore[arg-type]


def mysql_world(server: Server) -> World:
    """The shop on MariaDB."""
    provider = mysql_provider(server, SHOP)

    def sleeping() -> int:
        counted = "SELECT count(*) FROM information_schema.processlist WHERE info LIKE '%SLEEP(30)%' AND id <> "
        return int(run_sql(server, f"{counted} CONNECTION_ID();"))

    def load(script: bytes) -> str:
        with fresh_database(server) as name:
            run_sql(server, script, name)
            return run_sql(server, _COUNTS, name)

    return World(
        kind="mysql",
        engine=open_engine(provider),
        provider=provider,
        schema=SHOP,
        run=lambda script: run_sql(server, script, SHOP),
        sleep="SELECT SLEEP(30)",
        sleeping=sleeping,
        load=load,
        absent=replace(provider, port=free_port()),
    )
