"""What only MySQL has: databases beside the target's, triggers that nothing switches off."""

from __future__ import annotations

import pytest

from hfit.errors import LoadFailed, TargetRefused
from tests.live.databases import fresh_database, run_sql
from tests.live.servers import Server
from tests.support.whole_packages import Content, Load, Packed


def content() -> Content:
    made = Content("mariadb", "shop")
    made.add_ddl("00.sql", b"CREATE DATABASE IF NOT EXISTS `else``where`;\n"
                 b"CREATE TABLE `else``where`.`p` (`id` int PRIMARY KEY, `t` text DEFAULT '`else``where`.`p`');\n"
                 b"CREATE TABLE `c` (`p` int, FOREIGN KEY (`p`) REFERENCES `else``where`.`p` (`id`));\n")  # fmt: skip
    made.add_rows("01.sql", b"INSERT INTO `c` (`p`) VALUES\n(7);\n", "shop.c", 1)
    made.add_rows("02.sql", b"INSERT INTO `else``where`.`p` (`id`) VALUES\n(7),\n(8);\n", "else`where.p", 2)
    return made


def test_a_database_beside_is_mapped_to_another(
    mariadb_server: Server, mariadb_database: str, packed: Packed, load: Load
) -> None:
    with fresh_database(mariadb_server) as beside:
        path, url = packed(content()), mariadb_server.url(mariadb_database)
        (report,) = load(path, url, databases={"else`where": beside})
        assert (dict(report.rows), report.notes) == ({"shop.c": 1, "else`where.p": 2}, ())
        shown = run_sql(mariadb_server, "SELECT COUNT(*), MIN(t) FROM p", beside)
        assert shown.split() == ["2", "`else``where`.`p`"]
        with pytest.raises(TargetRefused, match="--into does not name"):
            load(path, url, mode="replace")
        load(path, url, mode="replace", databases={"else`where": beside})
        run_sql(mariadb_server, f"DROP TABLE c; DROP TABLE `{beside}`.p;", mariadb_database)


def test_a_target_with_triggers_is_refused(
    mariadb_server: Server, mariadb_database: str, packed: Packed, load: Load
) -> None:
    trigger = "CREATE TRIGGER fires BEFORE INSERT ON c FOR EACH ROW SET NEW.p = 0;"
    run_sql(mariadb_server, f"CREATE TABLE c (p int); {trigger}", mariadb_database)
    made = Content("mariadb", "shop")
    made.add_rows("01.sql", b"INSERT INTO `c` (`p`) VALUES\n(7);\n", "shop.c", 1)
    with pytest.raises(TargetRefused, match="The trigger fires"):
        load(packed(made), mariadb_server.url(mariadb_database))
    assert run_sql(mariadb_server, "SELECT COUNT(*) FROM c", mariadb_database).strip() == "0"


def test_a_failure_names_the_tables_that_no_rollback_empties(
    mariadb_server: Server, mariadb_database: str, packed: Packed, load: Load
) -> None:
    made = Content("mariadb", "shop")
    made.add_ddl("00.sql", b"CREATE TABLE `m` (`a` int) ENGINE=MyISAM;\nCREATE TABLE `i` (`a` int PRIMARY KEY);\n")
    made.add_rows("01.sql", b"INSERT INTO `m` (`a`) VALUES\n(7);\n", "shop.m", 1)
    made.add_rows("02.sql", b"INSERT INTO `i` (`a`) VALUES\n(7),\n(7);\n", "shop.i", 2)
    with pytest.raises(LoadFailed, match=r"02\.sql, line 1") as caught:
        load(packed(made), mariadb_server.url(mariadb_database))
    assert "created and are empty: i." in caught.value.reason
    assert "which have no transactions: m." in caught.value.reason
    counts = run_sql(mariadb_server, "SELECT COUNT(*) FROM m; SELECT COUNT(*) FROM i", mariadb_database)
    assert counts.split() == ["1", "0"]
