"""``results.md``: the machine, the table, what falls short and why, the details of each row, the curves."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from benchmarks.charts import Bar, draw_bars, draw_curves
from benchmarks.measure import Series
from benchmarks.plan import Goal, Result, Row, Sizes

Curves = Mapping[str, tuple[str, Mapping[str, Mapping[float, float]]]]
"""Title -> (name of the x axis, curves of seconds)."""

TOOLS = {
    "PostgreSQL": ["pg_dump", "--version"],
    "MariaDB": ["mariadb-dump", "--version"],
    "nginx": ["/usr/sbin/nginx", "-v"],
    "gzip": ["gzip", "--version"],
    "zstd": ["zstd", "--version"],
    "curl": ["curl", "--version"],
    "OpenSSL": ["openssl", "version"],
}


def _tool(argv: Sequence[str]) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except OSError:
        return "not installed"
    return (done.stdout or done.stderr).strip().splitlines()[0]


def _machine() -> list[str]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    lines = [
        f"- {os.cpu_count()} CPUs ({platform.machine()}), {memory:.0f} GiB of memory, Linux {platform.release()}",
        (f"- Python {platform.python_version()}, aiohttp {version('aiohttp')}, asyncpg {version('asyncpg')}, "
        f"aiomysql {version('aiomysql')}, isal {version('isal')}"),
    ]
    return lines + [f"- {name}: `{_tool(argv)}`" for name, argv in TOOLS.items()]


def _sizes(sizes: Sizes) -> str:
    return (
        f"{sizes.rounds} interleaved rounds after one that is thrown away; `orders` of {sizes.rows:,} rows, "
        f"{sizes.tables} tables of {sizes.table_rows:,} rows, a file of {sizes.file_bytes >> 20} MiB, "
        f"{sizes.files:,} files, seed {sizes.seed}"
    )


def _figure(row: Row, value: float | None) -> str:
    if value is None:
        return "-"
    digits = f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
    return f"{digits} {row.benchmark.unit}" if row.benchmark.unit != "x" else f"{digits}x"


def _goal(row: Row, value: float) -> str:
    sign = ">=" if row.benchmark.goal.more_is_better else "<="
    return f"{sign} {value:g}{'x' if row.benchmark.unit == 'x' else ' ' + row.benchmark.unit}"


def _table(rows: Sequence[Row]) -> list[str]:
    lines = ["| row | work | peer | at least | aim | here | |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for row in rows:
        mark = {True: "met", False: "**missed**", None: "did not run"}[row.met]
        one = row.benchmark
        lines.append(
            f"| {one.name} | {one.title} | {one.peer.replace('|', chr(92) + '|')} | {_goal(row, one.bar)} "
            f"| {_goal(row, one.aim)} | {_figure(row, row.figure)} | {mark} |"
        )
    return lines


def _share(row: Row) -> float:
    figure = row.figure or 0.0
    if row.benchmark.goal.more_is_better:
        return figure / row.benchmark.bar
    return row.benchmark.bar / figure if figure else float(10**9)


def _side(name: str, series: Series) -> str:
    low, high = series.spread()
    cells = [name, f"{series.median():.4g}", f"{low:.4g} - {high:.4g}"]
    cells += [f"{series.median(field):.2f}" for field in ("seconds", "client_cpu", "gateway_cpu", "peer_cpu")]
    cells += [f"{series.median(field):.0f}" for field in ("client_rss", "gateway_rss")]
    return "| " + " | ".join(cells) + " |"


def _details(row: Row) -> list[str]:
    lines = ["", f"### {row.benchmark.name}", "", (row.benchmark.measure.__doc__ or "").strip(), ""]
    if row.result is None:
        return [*lines, f"Did not run: {row.reason}."]
    figure = f"{_figure(row, row.figure)} ({row.benchmark.goal.value})"
    lines += [f"{figure}. Load average of the machine at the start: {row.load:.1f}.", ""]
    if row.result.note:
        lines += [f"Note: {row.result.note}.", ""]
    head = f"| side | median, {row.result.unit} | least - most | wall s | client CPU s | hfitd CPU s "
    lines += [head + "| peer/database CPU s | client RSS MiB | hfitd RSS MiB |", "|" + " --- |" * 9]
    lines += [_side(name, series) for name, series in row.result.series.items()]
    sizes = {name: series.median("size") for name, series in row.result.series.items() if series.median("size")}
    if sizes:
        lines += ["", "Output: " + ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in sizes.items()) + "."]
    return lines


def write_report(
    folder: Path, rows: Sequence[Row], curves: Curves, sizes: Sizes, remark: str, *, missing: int = 0
) -> Path:
    """Write ``results.md`` and its charts into a folder; the path. ``missing`` rows are still to be measured."""
    charts = folder / "charts"
    charts.mkdir(parents=True, exist_ok=True)
    ran = [row for row in rows if row.figure is not None]
    bars = [Bar(row.benchmark.name + ": " + row.benchmark.title[:38], _share(row), _figure(row, row.figure))
            for row in ran]  # fmt: skip
    (charts / "goals.svg").write_text(draw_bars(bars), "utf-8")
    load = [row.load for row in rows]
    lines = ["# Results", "", "Written by `make bench` or `make bench-quick`; only ratios of one run mean anything."]
    lines += ["", _sizes(sizes) + "."]
    lines += [f"Load average of the machine before each row: {min(load):.1f} to {max(load):.1f}. {remark}".rstrip()]
    if missing:
        lines += ["", f"**Not finished: {missing} rows are missing.**"]
    lines += ["", *_machine(), "", "## Against the goals", "", *_table(rows), ""]
    lines += ["![each row against its bar](charts/goals.svg)", "", *_shortfalls(rows)]
    if curves:
        lines += ["", "## How cost grows", ""]
    for number, (title, (x_name, drawn)) in enumerate(curves.items(), start=1):
        (charts / f"growth{number}.svg").write_text(draw_curves(drawn, x_name, "seconds"), "utf-8")
        lines += [f"![{title}](charts/growth{number}.svg)", "", f"{title}:", ""]
        for name, curve in drawn.items():
            lines.append(f"- {name}: " + ", ".join(f"{x:,.0f}: {y:.3f} s" for x, y in curve.items()))
        lines.append("")
    lines += ["## Every row"]
    for row in rows:
        lines += _details(row)
    path = folder / "results.md"
    path.write_text("\n".join([*lines, ""]), "utf-8")
    return path


def _shortfalls(rows: Sequence[Row]) -> list[str]:
    """What does not reach its bar: [docs/performance.md](../docs/performance.md) explains."""
    missed = [row for row in rows if not row.met]
    if not missed:
        return ["Every row reaches what it has to."]
    lines = ["Not reached ([docs/performance.md](../docs/performance.md) says why):", ""]
    for row in missed:
        reason = row.reason or f"{_figure(row, row.figure)} instead of {_goal(row, row.benchmark.bar)}"
        lines.append(f"- `{row.benchmark.name}`: {reason}{_processor_time(row)}")
    return lines


def _processor_time(row: Row) -> str:
    """Where a row that compares times could be at best with the processor time that it took, here; what a request of
    one that compares rates costs."""
    if row.result is not None and row.result.unit == "requests/s":
        return _request_time(row.result)
    if row.result is None or row.result.unit != "s" or row.benchmark.goal not in (Goal.SPEED, Goal.COST):
        return ""
    cores = os.cpu_count() or 1
    ours, peer = row.result.series["ours"], row.result.series["peer"]
    parts = {"hfit": "client_cpu", "hfitd": "gateway_cpu", "the database": "peer_cpu"}
    used = {name: ours.median(field) for name, field in parts.items()}
    total = sum(used.values())
    if not total:
        return ""
    spelt = ", ".join(f"{name} {seconds:.2f}" for name, seconds in used.items() if seconds)
    best = peer.median() / (total / cores)
    if row.benchmark.goal is Goal.COST:
        best = 1 / best
    return (
        f"; {total:.2f} s of processor time ({spelt}) in {ours.median():.2f} s, the peer's "
        f"{peer.median('client_cpu') + peer.median('peer_cpu'):.2f} in {peer.median():.2f} s: {cores} cores that never "
        f"wait would make it {best:.2f}x"
    )


def _request_time(result: Result) -> str:
    ours, peer = result.series["ours"], result.series["peer"]
    here = ours.median("gateway_cpu") / (ours.median() * ours.median("seconds"))
    there = peer.median("peer_cpu") / (peer.median() * peer.median("seconds"))
    return f"; an answer costs hfitd {here * 1e6:.0f} microseconds of processor time, the peer {there * 1e6:.0f}"


def summary(rows: Sequence[Row]) -> str:
    """The table for a terminal."""
    lines = []
    for row in rows:
        sign = ">=" if row.benchmark.goal in (Goal.SPEED, Goal.RATE) else "<="
        mark = {True: "met", False: "MISSED", None: row.reason}[row.met]
        lines.append(f"{row.benchmark.name:14} {_figure(row, row.figure):>12}  {sign} {row.benchmark.bar:<6g} {mark}")
    return "\n".join(lines)
