"""Rows about ``hfit`` as a person feels it: start-up, a small call, a large file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.measure import Reading, interleave, run, shell, watched
from benchmarks.plan import Benchmark, Goal, Result
from benchmarks.stage import Stage
from tests.live.daemon import BIN


def _milliseconds(reading: Reading) -> Reading:
    return replace(reading, value=reading.seconds * 1000)


def _startup(stage: Stage, option: str) -> Result:
    def timed(argv: Sequence[str | Path]) -> Reading:
        return _milliseconds(run(argv, cwd=stage.work, environment=stage.hfit_environment()))

    sides = {"ours": lambda: timed([BIN / "hfit", option]), "peer": lambda: timed(["git", option])}
    return Result(interleave(sides, 5 * stage.sizes.rounds), unit="ms")


def version(stage: Stage) -> Result:
    """`hfit --version`, whole process; `git --version` for comparison."""
    return _startup(stage, "--version")


def help_text(stage: Stage) -> Result:
    """`hfit --help`, whole process; `git --help` for comparison."""
    return _startup(stage, "--help")


def small_call(stage: Stage) -> Result:
    """`hfit dbmss`, whole process, beside `curl` of the same route with the same token."""
    url = ["curl", "-sS", "--fail", "-o", "/dev/null", "-H", stage.bearer(), stage.url("/db/dbmss")]
    environment = stage.hfit_environment()
    sides = {
        "ours": lambda: _milliseconds(run([BIN / "hfit", "dbmss"], cwd=stage.work, environment=environment)),
        "peer": lambda: _milliseconds(run(url, cwd=stage.work)),
    }
    return Result(interleave(sides, 5 * stage.sizes.rounds), unit="ms")


def large_download(stage: Stage) -> Result:
    """`hfit download` of the large file, its digest checked, beside `curl` from nginx, then `openssl dgst -sha256`."""
    nginx = stage.need_nginx()
    target = stage.work / "got.bin"
    argv = [BIN / "hfit", "download", "files:/big.bin", "-o", target]
    line = f"curl -sS --fail -o {target} {nginx.url('big.bin')} && openssl dgst -sha256 {target}"

    def ours() -> Reading:
        target.unlink(missing_ok=True)
        return watched(
            lambda: run(argv, cwd=stage.work, environment=stage.hfit_environment()), stage.gateway.pid
        )

    def peer() -> Reading:
        target.unlink(missing_ok=True)
        return watched(lambda: shell(line, cwd=stage.work), None, [nginx.pid])

    return Result(interleave({"ours": ours, "peer": peer}, stage.sizes.rounds))


BENCHMARKS = (
    Benchmark("version", "hfit --version", "git --version", Goal.VALUE, 150, 40, version, "ms"),
    Benchmark("help", "hfit --help", "git --help", Goal.VALUE, 150, 40, help_text, "ms"),
    Benchmark("small-call", "one authenticated small call, whole process", "curl", Goal.VALUE, 250, 60, small_call,
              "ms"),
    Benchmark("download", "large download to disk with SHA-256, whole command", "curl, then openssl dgst", Goal.SPEED,
              1.0, 2, large_download),
)  # fmt: skip
