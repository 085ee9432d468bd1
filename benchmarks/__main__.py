"""``python -m benchmarks [--quick] [--only ROW ...]``: start everything, run the rows, write the results."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import client, crowds, export, files
from benchmarks.measure import CommandFailed
from benchmarks.plan import FULL, QUICK, Benchmark, CannotRun, Row, Sizes
from benchmarks.report import Curves, summary, write_report
from benchmarks.stage import Stage, standing

HERE = Path(__file__).resolve().parent
ROWS: tuple[Benchmark, ...] = (*export.BENCHMARKS, *files.BENCHMARKS, *crowds.BENCHMARKS, *client.BENCHMARKS)
CURVES: tuple[tuple[str, str, Callable[[Stage], Mapping[str, Mapping[float, float]]]], ...] = (
    ("Rows of a table", "rows", export.growth),
    ("Tables of a package", "tables", export.tables_growth),
    ("Clients that want one package", "clients", crowds.clients_growth),
)


def main() -> int:
    """Run what was asked for; 0 even when a row misses its bar, for no figure is a test."""
    options = _options()
    sizes = _sizes(options)
    chosen = [row for row in ROWS if not options.only or row.name in options.only]
    wanted = not options.only or options.out.resolve() != HERE
    rows: list[Row] = []
    with standing(sizes) as stage:
        for benchmark in chosen:
            rows.append(_measure(benchmark, stage))
            print(summary(rows[-1:]), flush=True)
            if wanted:  # after each, so that a run which is broken off leaves what it measured
                write_report(options.out, rows, {}, sizes, options.remark, missing=len(chosen) - len(rows))
        if not options.only:
            curves: Curves = {}
            for title, axis, measure in CURVES:
                stage.clean()
                curves = {**curves, title: (axis, measure(stage))}
                write_report(options.out, rows, curves, sizes, options.remark)
    return 0


def _measure(benchmark: Benchmark, stage: Stage) -> Row:
    stage.clean()
    load = os.getloadavg()[0]
    started = time.perf_counter()
    try:
        row = Row(benchmark, benchmark.measure(stage), load=load)
    except (CannotRun, CommandFailed) as why:
        row = Row(benchmark, None, " ".join(str(why).split()), load)
    print(f"[{time.perf_counter() - started:5.1f} s] ", end="", file=sys.stderr, flush=True)
    return row


def _sizes(options: argparse.Namespace) -> Sizes:
    sizes = QUICK if options.quick else FULL
    wanted: dict[str, object] = {name: getattr(options, name) for name in ("rounds", "rows", "files", "seed")}
    wanted |= {
        name: tuple(size for size in getattr(sizes, name) if size <= largest)
        for name, largest in (("curve", options.curve), ("clients", options.clients), ("packages", options.packages))
        if largest is not None
    }
    if options.file_mib:
        wanted["file_bytes"] = options.file_mib << 20
        wanted["crowd_bytes"] = min(sizes.crowd_bytes, options.file_mib << 20)
    chosen: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None}
    return replace(sizes, **chosen)


def _options(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small data, under five minutes")
    parser.add_argument("--only", nargs="+", choices=[row.name for row in ROWS], help="these rows; no report")
    parser.add_argument("--rounds", type=int, help="how often each side runs")
    parser.add_argument("--rows", type=int, help="rows of the large table")
    parser.add_argument("--files", type=int, help="files of the tree")
    parser.add_argument("--file-mib", type=int, help="size of the large file, and the most of that for a crowd")
    parser.add_argument("--curve", type=int, help="rows of the largest table of the scaling section")
    parser.add_argument("--clients", type=int, help="clients of its largest crowd")
    parser.add_argument("--packages", type=int, help="tables of its largest package")
    parser.add_argument("--seed", type=int, help="of the generated data")
    parser.add_argument("--remark", default="", help="a sentence about the run for the report")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of the report")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
