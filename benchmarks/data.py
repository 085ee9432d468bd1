"""Generated data: the same for the same seed and size, on both database servers and on disk.

``orders`` has fifteen columns of every common kind, with unicode, quotes, backslashes, tabs and line ends in its text
and about 380 bytes a row; it compresses to two fifths. ``t001`` and on are many small tables. The eight tables of the
shop hang on one another by foreign keys; a tenth of the customers have a tenth of the rows each.
"""

from __future__ import annotations

import random
from pathlib import Path

from benchmarks import tpch
from benchmarks.plan import Sizes
from tests.live.databases import create_database, run_sql
from tests.live.servers import Server

DATABASE = "shop"
BLOCK = 1 << 20
PACKAGED_ROWS = 100

_PG_ORDERS = """
CREATE TABLE {name} (
  id bigint PRIMARY KEY, customer integer NOT NULL, code char(8) NOT NULL, number varchar(20) NOT NULL,
  total numeric(12,2) NOT NULL, email text NOT NULL, full_name text NOT NULL, phone text, note text,
  created timestamptz NOT NULL, changed timestamp, document jsonb, picture bytea, paid boolean NOT NULL, weight float8
);
INSERT INTO {name} SELECT i, 1 + (i::bigint * 7919) % 5000, left(h, 8), 'N-' || i, (i % 100000) / 7.0,
  'user' || i % 5000 || '@example.org', 'Name ' || left(h, 6) || ' Ünïcödé', '+31 ' || 600000000 + i,
  CASE WHEN i % 10 = 0 THEN NULL ELSE 'It''s "quoted" \\ back' || E'\t' || h || md5(h) || md5(h || 1) || md5(h || 2)
    || E'\nline two 語' END,
  timestamptz '2024-01-01 00:00:00+00' + i * interval '37 seconds', timestamp '2024-06-01' + i * interval '11 seconds',
  jsonb_build_object('n', i, 'tag', left(h, 12), 'list', jsonb_build_array(i % 7, i % 11)),
  decode(h, 'hex'), i % 3 = 0, sqrt(i)
FROM (SELECT i, md5((i + {seed})::text) h FROM generate_series(1, {rows}) i) s;
"""
_MY_ORDERS = r"""
CREATE TABLE orders (
  id bigint PRIMARY KEY, customer integer NOT NULL, code char(8) NOT NULL, number varchar(20) NOT NULL,
  total decimal(12,2) NOT NULL, email varchar(80) NOT NULL, full_name varchar(80) NOT NULL, phone varchar(20),
  note text, created datetime NOT NULL, changed datetime, document longtext, picture varbinary(32),
  paid tinyint NOT NULL, weight double
) ENGINE=InnoDB;
INSERT INTO orders SELECT seq, 1 + (seq * 7919) % 5000, left(h, 8), concat('N-', seq),
  (seq % 100000) / 7.0, concat('user', seq % 5000, '@example.org'),
  concat('Name ', left(h, 6), ' Ünïcödé'), concat('+31 ', 600000000 + seq),
  if(seq % 10 = 0, NULL,
    concat('It''s "quoted" \\ back', '\t', h, md5(h), md5(concat(h, 1)), md5(concat(h, 2)), '\nline two 語')),
  '2024-01-01' + INTERVAL seq * 37 SECOND, '2024-06-01' + INTERVAL seq * 11 SECOND,
  concat('{{"n": ', seq, ', "tag": "', left(h, 12), '"}}'), unhex(h), seq % 3 = 0,
  sqrt(seq)
FROM (SELECT seq, md5(seq + {seed}) h FROM seq_1_to_{rows}) s;
"""
_SMALL = """
CREATE TABLE {name} (id integer PRIMARY KEY, title text, amount numeric(10,2), moment timestamptz);
INSERT INTO {name} SELECT i, 'row ' || md5((i + {seed})::text), i / 3.0, timestamptz '2024-01-01 00:00+00' + i *
  interval '1 minute' FROM generate_series(1, {rows}) i;
"""


def postgres_schema(name: str) -> str:
    """``orders`` without rows."""
    return _PG_ORDERS.format(name=name, rows=0, seed=0).partition("INSERT INTO")[0]


def mariadb_schema() -> str:
    """``orders`` without rows."""
    return _MY_ORDERS.format(rows=1, seed=0).partition("INSERT INTO")[0]


def small_tables(count: int) -> list[str]:
    """Names of the many small tables."""
    return [f"t{number:03}" for number in range(1, count + 1)]


def packaged_tables(count: int) -> list[str]:
    """Names of the tables, each of ``PACKAGED_ROWS`` rows, that the scaling section packs by the thousand."""
    return [f"p{number}" for number in range(1, count + 1)]


def fill_postgres(server: Server, sizes: Sizes) -> None:
    """Make the database of the PostgreSQL rows."""
    create_database(server, DATABASE)
    seed = sizes.seed
    parts = [_PG_ORDERS.format(name="orders", rows=sizes.rows, seed=seed)]
    parts += [_PG_ORDERS.format(name=f"orders_{rows}", rows=rows, seed=seed) for rows in sizes.curve]
    parts += [_SMALL.format(name=name, rows=sizes.table_rows, seed=seed) for name in small_tables(sizes.tables)]
    packaged = packaged_tables(max(sizes.packages))
    parts += ["".join(_SMALL.format(name=name, rows=PACKAGED_ROWS, seed=seed) for name in packaged)]
    parts += [tpch.statements(sizes.scale, seed), "VACUUM ANALYZE;"]
    for part in parts:
        run_sql(server, part, DATABASE)


def fill_mariadb(server: Server, sizes: Sizes) -> None:
    """Make the database of the MariaDB rows."""
    create_database(server, DATABASE)
    run_sql(server, _MY_ORDERS.format(rows=sizes.rows, seed=sizes.seed), DATABASE)
    run_sql(server, "ANALYZE TABLE orders;", DATABASE)


def fill_volume(folder: Path, sizes: Sizes) -> None:
    """Two large files, one for a single reader and one for a crowd, and one of 50 KB."""
    chance = random.Random(sizes.seed)
    folder.mkdir()
    for name, size in (("big.bin", sizes.file_bytes), ("crowd.bin", sizes.crowd_bytes)):
        with (folder / name).open("wb") as file:
            for _ in range(size // BLOCK):
                file.write(chance.randbytes(BLOCK))
    (folder / "small.bin").write_bytes(chance.randbytes(50_000))


def fill_corpus(folder: Path, sizes: Sizes) -> int:
    """A folder as projects have them, a tenth of the large file: half of it logs of 4 MiB, a quarter source-like files
    of 2 to 40 KB, a quarter that does not compress. The bytes it has."""
    chance = random.Random(sizes.seed)
    words = [chance.randbytes(chance.randint(2, 7)).hex() for _ in range(4000)]
    total = sizes.file_bytes // 10

    def text(size: int) -> bytes:
        lines = []
        while size > 0:
            lines.append(f"2026-01-{chance.randint(1, 31):02} {' '.join(chance.choices(words[:400], k=9))}")
            size -= len(lines[-1]) + 1
        return "\n".join([*lines, ""]).encode()

    page = text(4 * BLOCK)
    written = 0
    for number in range(100_000):
        kind = written * 4 // total
        if kind >= 4:
            break
        size = 4 * BLOCK if kind < 2 else chance.randint(2_000, 40_000) if kind == 2 else BLOCK
        start = chance.randint(0, len(page) - 40_000)
        content = chance.randbytes(size) if kind == 3 else page if size == 4 * BLOCK else page[start : start + size]
        place = folder / f"part{number // 200:03}"
        place.mkdir(parents=True, exist_ok=True)
        written += (place / f"file_{number:06}").write_bytes(content)
    return written


def fill_tree(folder: Path, sizes: Sizes) -> None:
    """``sizes.files`` empty files, 500 to a folder, one in five a ``.csv``."""
    folder.mkdir()
    for number in range(sizes.files):
        place = folder / f"d{number // 500:05}"
        if number % 500 == 0:
            place.mkdir()
        (place / f"file_{number:07}.{'csv' if number % 5 == 0 else 'log'}").touch()
