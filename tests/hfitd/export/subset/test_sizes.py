"""Many keys of every sort of text: what the engine calls equal is found, whatever list it makes of them."""

from __future__ import annotations

import re

import pytest

from tests.live.databases import run_sql
from tests.live.servers import Server
from tests.support.subset_worlds import server_provider, subset_world

COLLATIONS = ("latin1 COLLATE latin1_swedish_ci", "utf8mb4 COLLATE utf8mb4_bin", "utf8mb4 COLLATE utf8mb4_general_ci")
ROWS = 3000


@pytest.mark.parametrize("collation", COLLATIONS)
async def test_thousands_of_text_keys_find_their_rows_on_mariadb(
    mariadb_server: Server, mariadb_database: str, collation: str
) -> None:
    script = f"""
    CREATE TABLE parent (a varchar(40) CHARACTER SET {collation}, b int, v text, PRIMARY KEY (a, b));
    CREATE TABLE child (id int PRIMARY KEY, a varchar(40) CHARACTER SET {collation}, b int,
        FOREIGN KEY (a, b) REFERENCES parent (a, b));
    INSERT INTO parent SELECT CONCAT('Käse ', seq), seq % 7, 'x' FROM seq_1_to_{ROWS};
    INSERT INTO child SELECT seq, {{}}, seq % 7 FROM seq_1_to_{ROWS};
    """
    own = "CONCAT('Käse ', seq)" if collation.endswith("_bin") else "UPPER(CONCAT('Käse ', seq))"
    run_sql(mariadb_server, script.format(own), mariadb_database)
    async with subset_world(server_provider(mariadb_server, mariadb_database)) as world:
        up = await world.run(("child", ""), children="none")
        down = await world.run(("parent", ""), children="all")
    for result in (up, down):
        assert result.rows == {f"{mariadb_database}.parent": ROWS, f"{mariadb_database}.child": ROWS}
        assert result.detail("dangling") == []
        assert result.asked["batches"] <= 30


async def test_more_text_keys_than_a_statement_takes_are_written_in_key_order(
    mariadb_server: Server, mariadb_database: str
) -> None:
    many = 20_100
    script = f"""CREATE TABLE code (c varchar(20) PRIMARY KEY) CHARACTER SET utf8mb4;
    INSERT INTO code SELECT CONCAT('ü', seq) FROM seq_1_to_{many};"""
    run_sql(mariadb_server, script, mariadb_database)
    async with subset_world(server_provider(mariadb_server, mariadb_database)) as world:
        result = await world.run(("code", ""))
    values = re.findall("'(ü[0-9]+)'", result.script.decode())
    assert len(values) == many and values == sorted(values)
    assert result.asked["render"] == 2


async def test_rows_asked_for_by_their_parents_are_those_that_were_found(
    postgres_server: Server, postgres_database: str
) -> None:
    script = """
    CREATE TABLE parent (id integer PRIMARY KEY);
    CREATE TABLE child (parent integer REFERENCES parent, n integer, peer integer REFERENCES parent, word text,
        PRIMARY KEY (parent, n));
    INSERT INTO parent SELECT generate_series(1, 60);
    INSERT INTO child SELECT p, n, CASE WHEN n = 5 THEN 20 + p END, p || '-' || n
        FROM generate_series(1, 60) p, generate_series(1, 5) n WHERE p <= 40;
    """
    run_sql(postgres_server, script, postgres_database)
    cut = {"max_children_per_row": 2, "on_excess": "truncate"}
    async with subset_world(server_provider(postgres_server, postgres_database)) as world:
        one_way = await world.run(("parent", "id < 3"))
        two_ways = await world.run(("parent", "id = 21"))
        few = await world.run(("parent", "id < 3"), limits=cut)
    # the parents 21 and 22, which came along upwards, bring no children with them
    assert one_way.rows == {"public.parent": 4, "public.child": 10}
    lines = re.findall(rb"^([0-9]+)\t([0-9]+)\t(?:\\N|[0-9]+)\t([0-9-]+)$", one_way.script, re.MULTILINE)
    assert lines == [(b"%d" % p, b"%d" % n, b"%d-%d" % (p, n)) for p in (1, 2) for n in range(1, 6)]
    assert two_ways.rows == {"public.parent": 3, "public.child": 6}
    assert few.rows == {"public.parent": 2, "public.child": 4}
