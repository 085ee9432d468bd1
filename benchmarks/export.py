"""Rows about databases: packages against dumps, masks, many tables, loading, and the cost of small things."""

from __future__ import annotations

from dataclasses import replace

from benchmarks import data, tpch
from benchmarks.measure import Reading, Series, interleave, run, shell, watched
from benchmarks.plan import Benchmark, CannotRun, Goal, Result
from benchmarks.stage import Stage
from tests.live.daemon import BIN
from tests.live.databases import fresh_database, run_sql

DUMP = "pg_dump --data-only"


def package(stage: Stage, template: str, compression: str = "gzip") -> Reading:
    """``hfit pkg-download --refresh --archive``: built anew, downloaded, every byte and the signature verified."""
    argv = [BIN / "hfit", "pkg-download", template, "--archive", "--refresh", "--force", "--compression", compression]
    reading = watched(
        lambda: run(argv, cwd=stage.work, environment=stage.hfit_environment()),
        stage.gateway.pid,
        [stage.postgres_pid(), stage.mariadb_pid()],
    )
    (made,) = stage.work.glob(f"{template}.tar*")
    size = made.stat().st_size
    made.unlink()
    return replace(reading, size=size)


def dump(stage: Stage, line: str) -> Reading:
    """A pipeline with the environment of PostgreSQL's and MariaDB's clients, into a file."""
    secrets = {**stage.postgres_environment(), "MYSQL_PWD": stage.mariadb.password}
    return watched(
        lambda: shell(line, cwd=stage.work, environment=secrets, output=stage.work / "dump"),
        None,
        [stage.postgres_pid(), stage.mariadb_pid()],
    )


def postgres_gzip(stage: Stage) -> Result:
    """`hfit pkg-download` of `orders` as .tar.gz beside `pg_dump --data-only -t orders | gzip -6`."""
    stage.keep_template("pg-gzip", "shop_pg", {"orders.sql": "orders"}, ", order: none")
    sides = {
        "ours": lambda: package(stage, "pg-gzip"),
        "peer": lambda: dump(stage, f"{DUMP} -t orders | gzip -6"),
    }
    return Result(interleave(sides, stage.sizes.rounds))


def postgres_zstd(stage: Stage) -> Result:
    """The same as .tar.zst beside `pg_dump | zstd -1`."""
    stage.keep_template("pg-zstd", "shop_pg", {"orders.sql": "orders"}, ", order: none")
    sides = {
        "ours": lambda: package(stage, "pg-zstd", "zstd"),
        "peer": lambda: dump(stage, f"{DUMP} -t orders | zstd -1"),
    }
    return Result(interleave(sides, stage.sizes.rounds))


def mariadb_gzip(stage: Stage) -> Result:
    """`hfit pkg-download` of `orders` as .tar.gz beside `mariadb-dump --hex-blob | gzip -1`."""
    return _mariadb(stage, "gzip", "gzip -1")


def mariadb_zstd(stage: Stage) -> Result:
    """The same as .tar.zst beside `mariadb-dump --hex-blob | zstd -1`."""
    return _mariadb(stage, "zstd", "zstd -1")


def _mariadb(stage: Stage, compression: str, peer: str) -> Result:
    name = f"my-{compression}"
    stage.keep_template(name, "shop_my", {"orders.sql": "orders"}, ", order: none")
    command = f"mariadb-dump {stage.mariadb_options()} --hex-blob --single-transaction --no-create-info"
    sides = {
        "ours": lambda: package(stage, name, compression),
        "peer": lambda: dump(stage, f"{command} {data.DATABASE} orders | {peer}"),
    }
    return Result(interleave(sides, stage.sizes.rounds))


def hashed_columns(stage: Stage) -> Result:
    """The package of `orders` with three columns hashed beside the package of the same rows as they are."""
    stage.keep_template("pg-clear", "shop_pg", {"orders.sql": "orders"}, ", order: none")
    stage.keep_template("pg-hashed", "shop_masked", {"orders.sql": "orders"}, ", order: none")
    sides = {"ours": lambda: package(stage, "pg-hashed"), "peer": lambda: package(stage, "pg-clear")}
    return Result(interleave(sides, stage.sizes.rounds), "ours: three masked columns; peer: none")


def ndjson_rows(stage: Stage) -> Result:
    """The rows of `orders` streamed by `curl` as NDJSON beside `psql` and its COPY of `row_to_json`."""
    url = stage.url(f"/db/shop_pg/{data.DATABASE}/public.orders/rows")
    argv = ["curl", "-sS", "--fail", "-H", stage.bearer(), url]
    target = stage.work / "rows"
    line = 'psql -XAtq -c "COPY (SELECT row_to_json(o) FROM orders o) TO STDOUT"'
    sides = {
        "ours": lambda: watched(
            lambda: run(argv, cwd=stage.work, output=target), stage.gateway.pid, [stage.postgres_pid()]
        ),
        "peer": lambda: dump(stage, line),
    }
    result = interleave(sides, stage.sizes.rounds)
    return Result(result, "ours in primary-key order with an end record and a digest, theirs in no order")


def many_tables(stage: Stage) -> Result:
    """A package of many small tables, uncompressed, beside `pg_dump` of the same tables."""
    names = data.small_tables(stage.sizes.tables)
    stage.keep_template("pg-many", "shop_pg", {f"{name}.sql": name for name in names}, ", order: none")
    tables = " ".join(f"-t {name}" for name in names)
    sides = {
        "ours": lambda: package(stage, "pg-many", "none"),
        "peer": lambda: dump(stage, f"{DUMP} {tables}"),
    }
    return Result(interleave(sides, stage.sizes.rounds))


def postgres_restore(stage: Stage) -> Result:
    """`hfit load` of a package with `orders` beside `psql -f` of the SQL inside the same package."""
    return _restore(stage, "postgresql")


def mariadb_restore(stage: Stage) -> Result:
    """`hfit load` of a package with `orders` beside `mariadb <` of the SQL inside the same package."""
    return _restore(stage, "mysql")


def _restore(stage: Stage, kind: str) -> Result:
    if stage.gateway.hfit(stage.person, "load", "--help").code:
        raise CannotRun("`hfit load` is not there yet")
    server = stage.postgres if kind == "postgresql" else stage.mariadb
    name = f"restore-{kind}"
    stage.keep_template(name, "shop_pg" if kind == "postgresql" else "shop_my", {"orders.sql": "orders"})
    folder = stage.folder / name
    stage.gateway.hfit(stage.person, "pkg-download", name, "-o", folder)
    schema = _schema(kind)
    with fresh_database(server) as database:
        run_sql(server, schema, database)
        if kind == "postgresql":
            peer = f"psql -Xq -v ON_ERROR_STOP=1 -1 -f {folder}/orders.sql {database}"
        else:
            peer = f"mariadb {stage.mariadb_options()} {database} < {folder}/orders.sql"
        argv = [BIN / "hfit", "load", folder, "--into", server.url(database), "--mode", "data"]

        def emptied(action: str) -> Reading:
            run_sql(server, "TRUNCATE TABLE orders;", database)
            if action == "peer":
                return dump(stage, peer)
            return watched(
                lambda: run(argv, cwd=stage.work, environment=stage.hfit_environment()), None,
                [stage.postgres_pid(), stage.mariadb_pid()],
            )  # fmt: skip

        sides = {"ours": lambda: emptied("ours"), "peer": lambda: emptied("peer")}
        return Result(interleave(sides, stage.sizes.rounds), "ours verifies the package first")


def _schema(kind: str) -> str:
    return data.postgres_schema("orders") if kind == "postgresql" else data.mariadb_schema()


def first_byte(stage: Stage) -> Result:
    """First byte of a package of one row, built anew, beside the time `psql` takes for the same row."""
    stage.keep_template("one-row", "shop_pg", {"one.sql": "orders"}, ', filter: "id = 42"')
    body = '{"template_name": "one-row", "refresh": true}'
    ours = ["curl", "-sS", "--fail", "-o", "/dev/null", "-w", "%{time_starttransfer}", "-H", stage.bearer(),
            "-H", "Content-Type: application/json", "-d", body, stage.url("/packdownload")]  # fmt: skip
    timed = stage.work / "timed"

    def begin() -> Reading:
        reading = watched(
            lambda: run(ours, cwd=stage.work, output=timed), stage.gateway.pid, [stage.postgres_pid()]
        )
        return replace(reading, value=float(timed.read_text()))

    peer = "psql -XAtqc 'SELECT * FROM orders WHERE id = 42'"
    result = interleave({"ours": begin, "peer": lambda: dump(stage, peer)}, 3 * stage.sizes.rounds)
    return Result(result, "ours plans, masks, audits durably, builds and signs; theirs is the whole process")


def subset(stage: Stage) -> Result:
    """A `subset` of 1,000 customers with all children and parents over TPC-H's eight tables beside the same rows by
    hand, as COPY text that nobody compresses."""
    path = stage.folder / "subset.yaml"
    path.write_text(tpch.TEMPLATE)
    made = stage.gateway.hfit(stage.person, "pkg-tmpl", "create", path)
    tried = made if made.code else stage.gateway.hfit(stage.person, "pkg-plan", "subset")
    if tried.code:
        raise CannotRun(f"`subset` exports do not run yet: {tried.err.strip().splitlines()[0]}")
    script = stage.folder / "by_hand.sql"
    script.write_text(tpch.BY_HAND)
    sides = {
        "ours": lambda: package(stage, "subset"),
        "peer": lambda: dump(stage, f"psql -Xq -v ON_ERROR_STOP=1 -f {script}"),
    }
    return Result(interleave(sides, stage.sizes.rounds))


def growth(stage: Stage) -> dict[str, dict[float, float]]:
    """Seconds by rows: a package of the whole table, and one of 1,000 rows of a table of that size."""
    whole: dict[float, float] = {}
    part: dict[float, float] = {}
    for rows in stage.sizes.curve:
        stage.keep_template(f"whole-{rows}", "shop_pg", {"o.sql": f"orders_{rows}"}, ", order: none")
        stage.keep_template(f"part-{rows}", "shop_pg", {"o.sql": f"orders_{rows}"}, ', filter: "id <= 1000"')
        whole[rows] = _median(stage, f"whole-{rows}")
        part[rows] = _median(stage, f"part-{rows}")
    return {"the whole table": whole, "1,000 rows of it": part}


def tables_growth(stage: Stage) -> dict[str, dict[float, float]]:
    """Seconds by number of tables in one package, a hundred rows each."""
    found: dict[float, float] = {}
    for count in stage.sizes.packages:
        names = data.packaged_tables(count)
        stage.keep_template(f"tables-{count}", "shop_pg", {f"{n}.sql": n for n in names})
        found[count] = _median(stage, f"tables-{count}")
    return {"a package of that many tables": found}


def _median(stage: Stage, template: str) -> float:
    series = Series([package(stage, template) for _ in range(2)])
    return min(reading.seconds for reading in series.readings)


BENCHMARKS = (
    Benchmark("pg-gzip", "PostgreSQL table: packaged, downloaded, verified", "pg_dump | gzip -6", Goal.SPEED, 5, 8,
              postgres_gzip),
    Benchmark("pg-zstd", "the same", "pg_dump | zstd -1", Goal.SPEED, 1.0, 1.25, postgres_zstd),
    Benchmark("my-gzip", "MariaDB table, likewise", "mariadb-dump | gzip -1", Goal.SPEED, 2, 2.5, mariadb_gzip),
    Benchmark("my-zstd", "the same", "mariadb-dump | zstd -1", Goal.SPEED, 0.9, 1.1, mariadb_zstd),
    Benchmark("pg-hashed", "three hashed columns on PostgreSQL", "the same unmasked", Goal.SPEED, 0.5, 0.6,
              hashed_columns),
    Benchmark("pg-ndjson", "NDJSON rows on PostgreSQL", "psql COPY row_to_json", Goal.SPEED, 0.9, 1.5, ndjson_rows),
    Benchmark("pg-tables", "many small tables, uncompressed", "pg_dump", Goal.SPEED, 1.0, 2, many_tables),
    Benchmark("pg-restore", "restore, PostgreSQL", "psql -f", Goal.SPEED, 0.9, 1.2, postgres_restore),
    Benchmark("my-restore", "restore, MariaDB", "mariadb <", Goal.SPEED, 1.0, 1.8, mariadb_restore),
    Benchmark("first-byte", "first byte of a one-row package", "psql, the same row", Goal.COST, 10, 3, first_byte),
    Benchmark("subset", "1,000-root subset over 8 tables (TPC-H)", "hand-written SQL", Goal.COST, 3, 1.5, subset),
)  # fmt: skip
