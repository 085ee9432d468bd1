"""R16: all tables of one provider are from one moment, however much is written meanwhile."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.daemon import Daemon, provider, role, running
from tests.live.databases import client_command, fresh_database, run_sql
from tests.live.servers import Server
from tests.live.world import EVERYTHING, LIMITS, POLICY
from tests.support.http import Api

ACCOUNTS, BALANCE = 20, 100
TOTAL = 2 * ACCOUNTS * BALANCE
RUNS = 10
TEMPLATE = """hfitVersion: 1
templateName: bank
exports:
  1_left.ndjson: {type: table-data, data: {dbms: bank, table: left_bank}}
  2_filler.ndjson: {type: table-data, data: {dbms: bank, table: filler}}
  3_right.ndjson: {type: table-data, data: {dbms: bank, table: right_bank}}
"""


def bank() -> str:
    """Two banks with the same accounts, and a table that takes a while to read between them."""
    rows = ", ".join(f"({number}, {BALANCE})" for number in range(ACCOUNTS))
    filler = ", ".join(f"({number}, '{'x' * 200}')" for number in range(5000))
    return f"""
CREATE TABLE left_bank (id integer PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE right_bank (id integer PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE filler (id integer PRIMARY KEY, words varchar(300) NOT NULL);
INSERT INTO left_bank VALUES {rows};
INSERT INTO right_bank VALUES {rows};
INSERT INTO filler VALUES {filler};
"""


@contextlib.contextmanager
def transfers(server: Server, database: str) -> Iterator[None]:
    """Somebody moves money from bank to bank, one transaction after the other, until the block ends."""
    argv, secret = client_command(server, database)
    process = subprocess.Popen(argv, env={**os.environ, **secret}, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert process.stdin is not None
    chance, stop, pipe = random.Random(16), threading.Event(), process.stdin

    def move() -> None:
        with contextlib.suppress(BrokenPipeError):
            while not stop.is_set():
                amount, one, other = chance.randrange(-5, 6), chance.randrange(ACCOUNTS), chance.randrange(ACCOUNTS)
                pipe.write(
                    f"BEGIN; UPDATE left_bank SET balance = balance - {amount} WHERE id = {one};"
                    f" UPDATE right_bank SET balance = balance + {amount} WHERE id = {other}; COMMIT;\n".encode()
                )
                pipe.flush()

    mover = threading.Thread(target=move)
    mover.start()
    try:
        yield
    finally:
        stop.set()
        mover.join()
        with contextlib.suppress(BrokenPipeError):
            pipe.close()
        assert process.wait(30) == 0


def balances(package: bytes) -> tuple[int, int]:
    """The money of both banks in a package."""
    sums = []
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        for name in ("1_left.ndjson", "3_right.ndjson"):
            (member,) = [item for item in archive.getmembers() if item.name.endswith(name)]
            file = archive.extractfile(member)
            assert file is not None
            rows = [json.loads(line) for line in file.read().splitlines()]
            found = [row["balance"] for row in rows if "balance" in row]
            assert len(found) == ACCOUNTS
            sums.append(sum(found))
    return sums[0], sums[1]


@pytest.mark.parametrize("engine", ["postgres", "mariadb"])
async def test_r16_money_that_moves_between_tables_is_never_lost_or_doubled(
    request: pytest.FixtureRequest, tmp_path: Path, engine: str
) -> None:
    server: Server = request.getfixturevalue(f"{engine}_server")
    with fresh_database(server) as database:
        run_sql(server, bank(), database)
        daemon = Daemon(tmp_path, provider("bank", server, database) + POLICY + LIMITS + role("dev", *EVERYTHING))
        with running(daemon):
            api = Api(daemon, daemon.add_person("dev@example.org", "dev"))
            assert (await api.put_template(TEMPLATE)).status == 201
            seen = set()
            with transfers(server, database):
                for _ in range(RUNS):
                    answer = await api.package("bank", refresh=True, compression="none")
                    assert answer.status == 200, answer.body
                    left, right = balances(answer.body)
                    assert left + right == TOTAL
                    seen.add(left)
            assert len(seen) > 1
