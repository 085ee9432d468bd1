"""Rows about files and HTTP: downloads, TLS, ranges, cached packages, listings."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

from benchmarks.measure import Reading, interleave, run, shell, watched
from benchmarks.plan import Benchmark, CannotRun, Goal, Result
from benchmarks.stage import Stage
from tests.live.daemon import BIN
from tests.live.servers import find_binary

GIB = 1 << 30
RANGE = 1 << 20


def _curl(stage: Stage, url: str, *options: str, times: int = 1) -> Reading:
    return run(["curl", "-sS", "--fail", *options, *["-o", "/dev/null", url] * times], cwd=stage.work)


def _big(stage: Stage, *, tls: bool = False) -> tuple[str, list[str]]:
    """URL of the large file at the gateway and what curl needs for it."""
    daemon = stage.secure if tls else stage.gateway
    person = stage.secure_person if tls else stage.person
    url = f"{daemon.origin}/api/v1/files/files/download?path=big.bin"
    trust = ["--cacert", str(stage.certificates.authority)] if tls else []
    return url, ["-H", f"Authorization: Bearer {person.token}", *trust]


def file_download(stage: Stage, times: int = 1) -> Result:
    """One `curl` of the large file beside `curl` of the same file at nginx (sendfile): the time."""
    nginx, (url, options) = stage.need_nginx(), _big(stage)
    sides = {
        "ours": lambda: watched(lambda: _curl(stage, url, *options, times=times), stage.gateway.pid),
        "peer": lambda: watched(lambda: _curl(stage, nginx.url("big.bin"), times=times), None, [nginx.pid]),
    }
    return Result(interleave(sides, stage.sizes.rounds))


def file_cpu(stage: Stage) -> Result:
    """The same downloads, again and again up to 4 GiB: CPU seconds of the server for each GiB.

    The system counts them in hundredths, and nginx takes no more than a few for a small file."""
    times = max(1, -(-4 * GIB // stage.sizes.file_bytes))
    found = file_download(stage, times)
    share = times * stage.sizes.file_bytes / GIB
    for name, series in found.series.items():
        attribute = "gateway_cpu" if name == "ours" else "peer_cpu"
        series.readings = [replace(r, value=getattr(r, attribute) / share) for r in series.readings]
    return Result(found.series, unit="CPU s / GiB")


def tls_download(stage: Stage) -> Result:
    """The same over TLS 1.3."""
    nginx, (url, options) = stage.need_nginx(), _big(stage, tls=True)
    trust = ["--cacert", str(stage.certificates.authority)]
    sides = {
        "ours": lambda: watched(lambda: _curl(stage, url, *options), stage.secure.pid),
        "peer": lambda: watched(lambda: _curl(stage, nginx.url("big.bin", tls=True), *trust), None, [nginx.pid]),
    }
    return Result(interleave(sides, stage.sizes.rounds))


def ranges(stage: Stage) -> Result:
    """Every MiB of the large file's first 128 as a range of its own, on one connection, by `curl`."""
    nginx, (url, options) = stage.need_nginx(), _big(stage)
    count = min(128, stage.sizes.file_bytes // RANGE)

    def config(target: str, header: str) -> Path:
        lines: list[str] = []
        for number in range(count):
            lines += [] if number == 0 else ["next"]
            lines += [f'url = "{target}"', 'output = "/dev/null"', "fail", "silent", "show-error"]
            lines += [f'range = "{number * RANGE}-{(number + 1) * RANGE - 1}"', f'header = "{header}"']
        path = stage.work / f"ranges-{len(header)}"
        path.write_text("\n".join(lines))
        return path

    ours, theirs = config(url, options[1]), config(nginx.url("big.bin"), "X-Nothing: 1")
    sides = {
        "ours": lambda: watched(lambda: run(["curl", "-K", ours], cwd=stage.work), stage.gateway.pid),
        "peer": lambda: watched(lambda: run(["curl", "-K", theirs], cwd=stage.work), None, [nginx.pid]),
    }
    return Result(interleave(sides, stage.sizes.rounds), f"{count} ranges")


def _wrk(stage: Stage, url: str, header: str) -> Reading:
    wrk = find_binary("wrk", "HFIT_TEST_WRK_BIN", "wrk")
    argv = [wrk, "-t1", "-c32", f"-d{stage.sizes.seconds:g}s", "-H", header, url]
    output = stage.work / "wrk"
    reading = run(argv, cwd=stage.work, output=output)
    said = output.read_text()
    if "Non-2xx" in said:
        raise CannotRun(f"the server refused requests: {said}")
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert found is not None
    return replace(reading, value=float(found[1]))


def cached_package(stage: Stage) -> Result:
    """`wrk`, 32 connections: a finished package of about 50 KB by its id beside a 50 KB file at nginx."""
    nginx = stage.need_nginx()
    stage.keep_template("fifty-kb", "shop_pg", {"o.sql": "orders"}, ', filter: "id <= 400"')
    url = stage.url("/packages/" + package_id(stage, "fifty-kb"))
    sides = {
        "ours": lambda: watched(lambda: _wrk(stage, url, stage.bearer()), stage.gateway.pid),
        "peer": lambda: watched(lambda: _wrk(stage, nginx.url("small.bin"), "X-Nothing: 1"), None, [nginx.pid]),
    }
    result = interleave(sides, stage.sizes.rounds)
    size = package_size(stage, url)
    return Result(result, f"{size} bytes; each of ours is audited before its first byte", "requests/s")


def package_id(stage: Stage, template: str, compression: str = "gzip") -> str:
    """Build a package to its end and give its id."""
    body = json.dumps({"template_name": template, "compression": compression}).encode()
    headers = {"Content-Type": "application/json", **stage.person.bearer}
    request = urllib.request.Request(stage.url("/packdownload"), body, headers)
    with urllib.request.urlopen(request, timeout=600) as answer:
        while answer.read(1 << 20):
            continue
        return str(answer.headers["X-Hfit-Package"])


def package_size(stage: Stage, url: str) -> int:
    """Bytes of a finished package."""
    request = urllib.request.Request(url, headers=stage.person.bearer)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return len(answer.read())


def listing(stage: Stage) -> Result:
    """`curl` of the listing as NDJSON beside `find -printf` of path, size and time."""
    url = stage.url("/files/tree")
    target = stage.work / "listing"
    lines = r'{"path":"%P","size":%s,"mtime":%T@}\n'
    options = ["-H", stage.bearer(), "-o", str(target)]
    sides = {
        "ours": lambda: watched(
            lambda: run(["curl", "-sS", "--fail", *options, url], cwd=stage.work), stage.gateway.pid
        ),
        "peer": lambda: run(
            ["find", stage.folder / "tree", "-type", "f", "-printf", lines], cwd=stage.work, output=target
        ),
    }
    return Result(interleave(sides, stage.sizes.rounds), f"{stage.sizes.files:,} files")


def listing_first_line(stage: Stage) -> Result:
    """Milliseconds from the request to the first line of that listing."""

    def first() -> Reading:
        request = urllib.request.Request(stage.url("/files/tree"), headers=stage.person.bearer)
        started = time.perf_counter()
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.readline()
            seconds = time.perf_counter() - started
        return Reading(seconds, value=seconds * 1000)

    return Result(interleave({"ours": first}, 3 * stage.sizes.rounds), "with the TCP connection", "ms")


def tree_download(stage: Stage) -> Result:
    """`hfit download -r VOLUME:/dir/ --archive` as .tar.gz, checked, beside `tar | gzip -6` of the same folder."""
    target = stage.work / "tree.tar.gz"
    argv = [BIN / "hfit", "download", "-r", "files:/corpus/", "--archive", "-o", target]
    line = f"tar -C {stage.volume} -cf - corpus | gzip -6 > {target}"

    def ours() -> Reading:
        target.unlink(missing_ok=True)
        reading = watched(
            lambda: run(argv, cwd=stage.work, environment=stage.hfit_environment()), stage.gateway.pid
        )
        return replace(reading, size=target.stat().st_size)

    def peer() -> Reading:
        target.unlink(missing_ok=True)
        return replace(shell(line, cwd=stage.work), size=target.stat().st_size)

    return Result(interleave({"ours": ours, "peer": peer}, stage.sizes.rounds), "theirs is not sent or checked")


BENCHMARKS = (
    Benchmark("tree", "tar.gz of a volume's subtree", "tar | gzip -6", Goal.SPEED, 3, 9, tree_download),
    Benchmark("file-cpu", "plain file download: server CPU for each GiB", "nginx sendfile", Goal.COST, 1.5, 1.0,
              file_cpu),
    Benchmark("file", "plain file download: throughput", "nginx sendfile", Goal.SPEED, 1.0, 1.5, file_download),
    Benchmark("tls", "file download over TLS", "nginx TLS", Goal.SPEED, 0.9, 1.1, tls_download),
    Benchmark("ranges", "1 MiB ranges", "nginx", Goal.SPEED, 0.9, 1.2, ranges),
    Benchmark("cached", "cached 50 KB package, authenticated, requests/s", "nginx, static file", Goal.RATE, 0.3, 0.5,
              cached_package),
    Benchmark("listing", "listing of many files as NDJSON", "find -printf", Goal.SPEED, 0.45, 1.0, listing),
    Benchmark("listing-first", "first line of that listing", "", Goal.VALUE, 50, 5, listing_first_line, "ms"),
)  # fmt: skip
