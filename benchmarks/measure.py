"""Measuring: processes with their CPU and memory, servers before and after, sides in turn, medians and spread.

CPU of a command is that of the command and everything it waited for (wait4). CPU of a server is that of its whole
process tree from /proc, ended children included. Peak memory of the gateway is VmHWM, reset before each run, with that
of the processes that list large volumes for it.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_SETTLE_SECONDS = 0.05  # for a database's process to end after its client did


class CommandFailed(Exception):
    """A measured command ended with an error; the message holds the end of what it said."""


@dataclass(frozen=True)
class Reading:
    """One run. CPU in seconds, memory in MiB; ``value`` is what the row compares when that is not the time."""

    seconds: float
    client_cpu: float = 0.0
    client_rss: float = 0.0
    gateway_cpu: float = 0.0
    gateway_rss: float = 0.0
    peer_cpu: float = 0.0  # of databases or of nginx
    size: int = 0
    value: float | None = None

    @property
    def compared(self) -> float:
        """The figure the row is about."""
        return self.seconds if self.value is None else self.value


@dataclass
class Series:
    """The runs of one side."""

    readings: list[Reading] = field(default_factory=list)

    def median(self, name: str = "compared") -> float:
        """Median of a figure."""
        return statistics.median(float(getattr(reading, name)) for reading in self.readings)

    def spread(self) -> tuple[float, float]:
        """Least and most of what is compared."""
        values = [reading.compared for reading in self.readings]
        return min(values), max(values)


def run(
    argv: Sequence[str | Path], *, cwd: Path, environment: Mapping[str, str] | None = None, output: Path | None = None
) -> Reading:
    """Run a command to its end; its output goes to a file or nowhere. Raises CommandFailed."""
    with contextlib.ExitStack() as stack:
        target = stack.enter_context(output.open("wb")) if output else subprocess.DEVNULL
        errors = stack.enter_context((cwd / ".stderr").open("w+b"))
        started = time.perf_counter()
        process = subprocess.Popen(
            [*map(str, argv)], cwd=cwd, env=_as_installed({**os.environ, **(environment or {})}),
            stdin=subprocess.DEVNULL, stdout=target, stderr=errors,
        )  # fmt: skip
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            said = errors.read()[-600:].decode(errors="replace")
            raise CommandFailed(f"{Path(argv[0]).name} ended with {process.returncode}: {said}")
    size = output.stat().st_size if output else 0
    return Reading(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, size=size)


def _as_installed(environment: Mapping[str, str]) -> dict[str, str]:
    """Without the wish to leave no bytecode behind: an installation has it, and only its first run would compile."""
    return {name: value for name, value in environment.items() if name != "PYTHONDONTWRITEBYTECODE"}


def shell(line: str, *, cwd: Path, environment: Mapping[str, str] | None = None, output: Path | None = None) -> Reading:
    """Run a pipeline, as a person would type it; it fails when a part fails."""
    return run(["bash", "-o", "pipefail", "-c", line], cwd=cwd, environment=environment, output=output)


def tree_cpu(root: int) -> float:
    """CPU seconds of a process, its living descendants and those they waited for."""
    return sum(_family(root).values()) / _TICKS


def _family(root: int) -> dict[int, int]:
    """A process and its living descendants, with the ticks of each and of those it waited for."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            parents[int(entry.name)] = int(fields[1])
            ticks[int(entry.name)] = sum(map(int, fields[11:15]))
    inside = {root}
    for pid in sorted(parents):
        chain = [pid]
        while chain[-1] in parents and chain[-1] not in inside:
            chain.append(parents[chain[-1]])
        if chain[-1] in inside:
            inside.update(chain)
    return {pid: ticks.get(pid, 0) for pid in inside}


def peak_rss(root: int) -> float:
    """Peak resident memory in MiB since ``reset_peak``: of a process and its living descendants, as if they all were at
    once."""
    total = 0.0
    for pid in _family(root):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    total += int(line.split()[1]) / 1024
    return total


def reset_peak(root: int) -> None:
    """Let the peak begin anew (proc(5), clear_refs 5)."""
    for pid in _family(root):
        with contextlib.suppress(OSError):
            Path(f"/proc/{pid}/clear_refs").write_text("5")


def watched(action: Callable[[], Reading], gateway: int | None = None, peers: Sequence[int] = ()) -> Reading:
    """Run an action and add what the servers spent on it."""
    if gateway is not None:
        reset_peak(gateway)
    before = [tree_cpu(pid) for pid in ((gateway,) if gateway else ()) + tuple(peers)]
    reading = action()
    time.sleep(_SETTLE_SECONDS)
    after = [tree_cpu(pid) for pid in ((gateway,) if gateway else ()) + tuple(peers)]
    spent = [end - start for start, end in zip(before, after, strict=True)]
    own = spent.pop(0) if gateway is not None else 0.0
    return replace(
        reading, gateway_cpu=own, gateway_rss=peak_rss(gateway) if gateway else 0.0, peer_cpu=sum(spent)
    )


def interleave(sides: Mapping[str, Callable[[], Reading]], rounds: int) -> dict[str, Series]:
    """Run the sides in turn, the first turn of each thrown away, the order changing from round to round."""
    series = {name: Series() for name in sides}
    for number in range(rounds + 1):
        names = list(sides) if number % 2 else list(reversed(list(sides)))
        for name in names:
            reading = sides[name]()
            if number:
                series[name].readings.append(reading)
    return series


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
