"""DDL from MySQL shows what was granted and nothing of what is masked."""

from __future__ import annotations

from collections.abc import Set

import pytest

from hfitd.config.model import Secret
from hfitd.engines.interface import DdlOptions
from hfitd.engines.mysql import MysqlEngine
from hfitd.engines.mysql_create import Visible, visible_definition
from hfitd.errors import Internal
from hfitd.model import MaskedColumn, MaskRule, Relation, TableName
from tests.live.databases import fresh_database, run_sql
from tests.live.servers import Server
from tests.support.mysql_world import mysql_provider

TABLES = r"""
CREATE TABLE parent (id int PRIMARY KEY, code varchar(9) UNIQUE) COMMENT 'leaks \'x\'';
CREATE TABLE person (
    id int AUTO_INCREMENT, email varchar(60) NOT NULL DEFAULT 'boss@example.com' COMMENT 'leak, one)',
    pay int DEFAULT 7 CHECK (pay <> 424242), parent_id int, code varchar(9),
    `odd ``), KEY (` enum('a','b)','c''d') DEFAULT 'b)', at timestamp(3) DEFAULT current_timestamp(3) ON UPDATE
    current_timestamp(3), twice int AS (pay * 515151) STORED, up varchar(60) AS (upper(code)) VIRTUAL,
    PRIMARY KEY (id), UNIQUE KEY u (email), KEY both_ (pay, parent_id), KEY up_ (up),
    CONSTRAINT not_me CHECK (email <> 'ceo@example.com'),
    CONSTRAINT to_parent FOREIGN KEY (parent_id) REFERENCES parent (id) ON DELETE CASCADE,
    CONSTRAINT to_code FOREIGN KEY (code) REFERENCES parent (code)
) AUTO_INCREMENT=77 COMMENT='all about 636363';
INSERT INTO person (email) VALUES ('a@example.com');
"""


class Collected:
    def __init__(self) -> None:
        self.data = b""

    async def write(self, data: bytes) -> None:
        self.data += data


async def ddl_of(
    engine: MysqlEngine,
    database: str,
    hidden: Set[str] = frozenset(),
    masked: Set[str] = frozenset(),
    tables: tuple[str, ...] = ("parent", "person"),
    option: str = "",
) -> str:
    out = Collected()
    async with engine.snapshot(database) as snapshot:
        catalog = await snapshot.catalog()
        relations = []
        for table in (catalog.tables[TableName(database, name)] for name in tables):
            columns = tuple(
                MaskedColumn(column, MaskRule("hash") if f"{table.name.name}.{column.name}" in masked else None)
                for column in table.columns
                if f"{table.name.name}.{column.name}" not in hidden
            )
            relations.append(Relation("shop", table, columns))
        await snapshot.ddl(relations, DdlOptions(option), out)
    return out.data.decode()


async def test_a_granted_table_is_created_as_it_is_but_for_comments(
    mariadb_server: Server, mariadb_database: str
) -> None:
    run_sql(mariadb_server, TABLES, mariadb_database)
    script = await ddl_of(MysqlEngine(mysql_provider(mariadb_server, mariadb_database)), mariadb_database)
    assert "COMMENT" not in script and "leak" not in script and "636363" not in script
    with fresh_database(mariadb_server) as copy:
        run_sql(mariadb_server, script, copy)
        shown = [
            run_sql(mariadb_server, "SHOW CREATE TABLE person;", name).replace("COMMENT 'leak, one)'", "")
            .replace(" COMMENT='all about 636363'", "").replace(" ,", ",")
            for name in (copy, mariadb_database)
        ]  # fmt: skip
        assert shown[0] == shown[1]
        assert "AUTO_INCREMENT=78" in shown[0]


async def test_nothing_of_a_masked_column_but_its_type_is_shown(mariadb_server: Server, mariadb_database: str) -> None:
    run_sql(mariadb_server, TABLES, mariadb_database)
    engine = MysqlEngine(mysql_provider(mariadb_server, mariadb_database))
    script = await ddl_of(engine, mariadb_database, masked={"person.email", "person.pay"})
    for leak in ("boss@", "ceo@", "424242", "515151", "DEFAULT 7"):
        assert leak not in script
    assert "`email` varchar(60) NOT NULL" in script
    assert "UNIQUE KEY `u` (`email`)" in script
    with fresh_database(mariadb_server) as copy:
        run_sql(mariadb_server, script, copy)


async def test_a_hidden_column_leaves_no_trace(mariadb_server: Server, mariadb_database: str) -> None:
    run_sql(mariadb_server, TABLES, mariadb_database)
    engine = MysqlEngine(mysql_provider(mariadb_server, mariadb_database))
    script = await ddl_of(engine, mariadb_database, hidden={"person.id", "person.pay", "parent.code", "person.email"})
    assert (
        "pay" not in script and "email" not in script and "(`code`) REFERENCES" not in script and "515151" not in script
    )
    assert "to_parent" in script
    assert "AUTO_INCREMENT" not in script.replace("AUTO_INCREMENT=", "")
    with fresh_database(mariadb_server) as copy:
        run_sql(mariadb_server, script, copy)


async def test_references_to_tables_outside_are_left_out(mariadb_server: Server, mariadb_database: str) -> None:
    run_sql(mariadb_server, TABLES, mariadb_database)
    engine = MysqlEngine(mysql_provider(mariadb_server, mariadb_database))
    script = await ddl_of(engine, mariadb_database, tables=("person",))
    assert "REFERENCES" not in script
    for option in ("ifnotexists", "dropcreate"):
        twice = await ddl_of(engine, mariadb_database, option=option)
        with fresh_database(mariadb_server) as copy:
            run_sql(mariadb_server, twice + twice, copy)


async def test_a_role_with_column_grants_only_still_gets_ddl(mariadb_server: Server, mariadb_database: str) -> None:
    run_sql(mariadb_server, TABLES, mariadb_database)
    run_sql(
        mariadb_server,
        "CREATE OR REPLACE USER narrow@'127.0.0.1' IDENTIFIED BY 'n';"
        f"GRANT SELECT (id, parent_id, code) ON `{mariadb_database}`.person TO narrow@'127.0.0.1';"
        f"GRANT SELECT (id) ON `{mariadb_database}`.parent TO narrow@'127.0.0.1';",
    )
    engine = MysqlEngine(mysql_provider(mariadb_server, mariadb_database, user="narrow", password=Secret("n")))
    script = await ddl_of(engine, mariadb_database)
    assert "email" not in script
    assert "`parent_id` int(11)" in script
    with fresh_database(mariadb_server) as copy:
        run_sql(mariadb_server, script, copy)


def visible(clear: set[str], granted: set[str] | None = None, columns: set[str] | None = None) -> Visible:
    seen = granted if granted is not None else clear
    return Visible(TableName("d", "t"), frozenset(seen), frozenset(clear), frozenset(columns or seen), {})


MYSQL8 = r"""CREATE TABLE `t` (
  `a` int NOT NULL,
  `b` varchar(9) COLLATE utf8mb4_bin DEFAULT 'x\'),(' COMMENT 'c',
  PRIMARY KEY (`a`),
  KEY `f` ((lower(`b`))),
  KEY `g` (((case when (`b` = _utf8mb4'secret') then 1 end)))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 DATA DIRECTORY='/srv/x' CONNECTION='mysql://u:pw@h/d/t' COMMENT='c'
/*!50100 PARTITION BY RANGE (`a`)
(PARTITION p0 VALUES LESS THAN (10) COMMENT = 'x' ENGINE = InnoDB) */"""


def test_mysqls_own_printing_is_understood() -> None:
    made = visible_definition(MYSQL8, visible({"a", "b"}))
    assert len(made.elements) == 5
    assert made.elements[1] == r"`b` varchar(9) COLLATE utf8mb4_bin DEFAULT 'x\'),(' "[:-1]
    assert "/srv" not in made.tail and "pw@h" not in made.tail
    assert "PARTITION BY RANGE" in made.tail
    masked = visible_definition(MYSQL8, visible({"b"}, {"a", "b"}))
    assert "PARTITION" not in masked.tail
    hidden = visible_definition(MYSQL8, visible({"a"}, {"a", "b"}))
    assert "secret" not in "".join(hidden.elements)
    assert "DEFAULT" not in hidden.elements[1]


@pytest.mark.parametrize(
    "words", ["", "CREATE VIEW `v` AS select 1", "CREATE TABLE `t` (`a` int", "CREATE TABLE `t (a"]
)
def test_what_is_no_table_definition_is_refused(words: str) -> None:
    with pytest.raises(Internal):
        visible_definition(words, visible({"a"}))
