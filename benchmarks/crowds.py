"""Rows about many at once: slow readers, /health while much goes on, memory with fifty clients."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from benchmarks.export import dump, package
from benchmarks.files import package_id
from benchmarks.measure import Reading, Series, interleave, peak_rss, percentile, reset_peak, run, tree_cpu
from benchmarks.plan import Benchmark, CannotRun, Goal, Result
from benchmarks.prober import probing
from benchmarks.stage import Nginx, Stage
from tests.live.daemon import BIN

RECEIVE_BUFFER = 4096
KIB_PER_MIB = 1024
DOWNLOADS = 100
CLIENTS = 50


def _request(stage: Stage, path: str) -> bytes:
    host = stage.gateway.origin.removeprefix("http://")
    return f"GET /api/v1{path} HTTP/1.1\r\nHost: {host}\r\n{stage.bearer()}\r\nConnection: close\r\n\r\n".encode()


@contextlib.contextmanager
def slow_readers(stage: Stage, count: int) -> Iterator[None]:
    """That many downloads of the large file, each read by 1 KB a second."""
    sockets: list[socket.socket] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.wait(1.0):
            for connection in sockets:
                with contextlib.suppress(OSError):
                    connection.recv(1024)

    try:
        for _ in range(count):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            connection.connect(("127.0.0.1", stage.gateway.port))
            connection.sendall(_request(stage, "/files/files/download?path=big.bin"))
            connection.setblocking(False)
            sockets.append(connection)
        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        yield
    finally:
        stop.set()
        for connection in sockets:
            connection.close()


def slow_memory(stage: Stage) -> Result:
    """Resident memory that each of many downloads read by 1 KB/s adds to the gateway."""

    def once() -> Reading:
        reset_peak(stage.gateway.pid)
        before = peak_rss(stage.gateway.pid)
        started = time.perf_counter()
        with slow_readers(stage, stage.sizes.slow_readers):
            time.sleep(stage.sizes.seconds)
            added = peak_rss(stage.gateway.pid) - before
        time.sleep(1.0)
        each = max(0.0, added) * KIB_PER_MIB / stage.sizes.slow_readers
        return Reading(time.perf_counter() - started, value=each)

    series = Series([once() for _ in range(stage.sizes.rounds)])
    note = f"{stage.sizes.slow_readers} readers; later rounds reuse what the first one left behind"
    return Result({"ours": series}, note, "KiB")


def health(stage: Stage) -> Result:
    """p99 of `/health` while an export, a listing and a hundred downloads of the large file run, all in a loop; of one
    that nginx answers while it serves them, `pg_dump` exports and `find` lists, for what the machine allows."""
    stage.keep_template("busy", "shop_pg", {"orders.sql": "orders"}, ", order: none")
    nginx, latencies = stage.need_nginx(), list[float]()
    walk = ["find", str(stage.folder / "tree"), "-type", "f", "-printf", "%P %s %T@\n"]
    file = f"GET /big.bin HTTP/1.1\r\nHost: 127.0.0.1:{nginx.port}\r\nConnection: close\r\n\r\n".encode()

    def ours() -> Reading:
        request, listing = _request(stage, "/files/files/download?path=big.bin"), _looping(stage, "/files/tree")
        reading, found = _busy(stage, stage.gateway.port, request, listing, lambda: package(stage, "busy"))
        latencies.extend(found)
        return reading

    def theirs() -> Reading:
        line = "pg_dump --data-only -t orders | gzip -1"
        return _busy(stage, nginx.port, file, _repeating(walk), lambda: dump(stage, line))[0]

    readings = [(ours(), theirs()) for _ in range(stage.sizes.rounds)]
    series = {"ours": Series([mine for mine, _ in readings]), "nginx": Series([other for _, other in readings])}
    note = f"p50 {percentile(latencies, 0.5):.1f} ms, worst {max(latencies):.0f} ms of {len(latencies)} answers"
    floor = f"{series['nginx'].median():.1f} ms where nginx, find and pg_dump do the same"
    return Result(series, f"{note}; {floor}; prober, clients and servers share the cores", "ms")


def _busy(
    stage: Stage, port: int, download: bytes, listing: AbstractContextManager[object], export: Callable[[], object]
) -> tuple[Reading, list[float]]:
    """Milliseconds that ``/health`` of a server took beside all this, and their p99 as ``value``."""
    started = time.perf_counter()
    with _downloads(port, download, DOWNLOADS), listing, ThreadPoolExecutor(1) as pool:
        exporting = pool.submit(export)
        with probing(port) as found:
            time.sleep(stage.sizes.seconds)
            exporting.result()
    return Reading(time.perf_counter() - started, value=percentile(found, 0.99)), list(found)


@contextlib.contextmanager
def _downloads(port: int, request: bytes, count: int) -> Iterator[None]:
    """So many downloads, read as fast as one thread can, each begun again when it ends."""
    chosen = selectors.DefaultSelector()
    stop = threading.Event()

    def begin() -> None:
        connection = socket.create_connection(("127.0.0.1", port))
        connection.sendall(request)
        connection.setblocking(False)
        chosen.register(connection, selectors.EVENT_READ)

    def read() -> None:
        for _ in range(count):
            begin()
        space = bytearray(1 << 18)
        while not stop.is_set():
            for key, _ in chosen.select(0.1):
                connection = key.fileobj
                assert isinstance(connection, socket.socket)
                if not connection.recv_into(space):
                    chosen.unregister(connection)
                    connection.close()
                    begin()

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        for key in list(chosen.get_map().values()):
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            connection.close()
        chosen.close()


@contextlib.contextmanager
def _looping(stage: Stage, path: str) -> Iterator[None]:
    with _repeating(["curl", "-sS", "-o", "/dev/null", "-H", stage.bearer(), stage.url(path)]):
        yield


@contextlib.contextmanager
def _repeating(argv: Sequence[str]) -> Iterator[None]:
    """A command, run again and again; the last run is broken off."""
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as process:
                while process.poll() is None:
                    if stop.wait(0.05):
                        process.terminate()

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def crowd_memory(stage: Stage) -> Result:
    """Peak memory of the gateway while fifty clients download one package that is being built, and it is built anew."""
    stage.keep_template("crowd", "shop_pg", {"orders.sql": "orders"}, ", order: none")
    body = '{"template_name": "crowd", "refresh": true}'
    joined = '{"template_name": "crowd"}'

    def once() -> Reading:
        reset_peak(stage.gateway.pid)
        started = time.perf_counter()
        _together([_post(stage, body), *[_post(stage, joined)] * (CLIENTS - 1)])
        return Reading(time.perf_counter() - started, value=peak_rss(stage.gateway.pid))

    return Result(interleave({"ours": once}, stage.sizes.rounds), f"{CLIENTS} clients", "MiB")


def _crowd(port: int, pid: int, request: bytes, digest: str, beside: AbstractContextManager[object]) -> Reading:
    """Fifty clients download one thing while ``/health`` of the same server is asked; each has to have the SHA-256.
    ``seconds`` is the time, ``gateway_rss`` the peak, ``value`` the p99 of ``/health`` in ms."""
    argv = [sys.executable, "-m", "benchmarks.crowd_client", str(CLIENTS)]
    reset_peak(pid)
    before, started = tree_cpu(pid), time.perf_counter()
    with beside, probing(port) as latencies:
        said = subprocess.run(argv, input=b"%d\n%b" % (port, request), stdout=subprocess.PIPE, check=False)
    found = said.stdout.decode().splitlines()
    right = len(found) == 1 and found[0].startswith(f"{CLIENTS} ") and found[0].endswith(f" {digest}")
    if said.returncode or not right:
        raise CannotRun("the clients did not get the right bytes")
    return Reading(
        time.perf_counter() - started,
        gateway_cpu=tree_cpu(pid) - before,
        gateway_rss=peak_rss(pid),
        value=percentile(latencies, 0.99),
    )


@functools.cache
def _crowds(stage: Stage) -> dict[str, Series]:
    """Both rows are of one run, which is long. The crowd at the gateway, where it wants one finished package of a large
    file and the tree is listed again and again, and at nginx, where it wants the file itself and ``find`` walks the
    tree instead."""
    stage.keep_files_template("crowd-file", "files", "crowd.bin")
    path = "/packages/" + package_id(stage, "crowd-file", compression="none")
    package_digest, file_digest = _verified(stage, "crowd-file"), _digest(stage.volume / "crowd.bin")

    def ours() -> Reading:
        gateway = stage.gateway
        listing = _looping(stage, "/files/tree")
        return _crowd(gateway.port, gateway.pid, _request(stage, path), package_digest, listing)

    def theirs(nginx: Nginx) -> Reading:
        request = f"GET /crowd.bin HTTP/1.1\r\nHost: 127.0.0.1:{nginx.port}\r\nConnection: close\r\n\r\n".encode()
        walk = ["find", str(stage.folder / "tree"), "-type", "f", "-printf", "%P %s %T@\n"]
        return _crowd(nginx.port, nginx.pid, request, file_digest, _repeating(walk))

    readings = [(ours(), theirs(stage.need_nginx())) for _ in range(stage.sizes.rounds)]
    return {"ours": Series([mine for mine, _ in readings]), "nginx": Series([other for _, other in readings])}


def _verified(stage: Stage, template: str) -> str:
    """SHA-256 of a finished package whose digests and signature hfit has verified."""
    argv = [BIN / "hfit", "pkg-download", template, "--archive", "--force", "--compression", "none"]
    run(argv, cwd=stage.work, environment=stage.hfit_environment())
    (made,) = stage.work.glob(f"{template}.tar*")
    digest = _digest(made)
    made.unlink()
    return digest


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def crowd_package(stage: Stage) -> Result:
    """Peak memory of the gateway while fifty clients download one finished package of a large file and check
    its digest, and the tree is listed again and again."""
    found = _crowds(stage)
    series = {
        name: Series([replace(reading, value=reading.gateway_rss) for reading in one.readings])
        for name, one in found.items()
    }
    return Result(series, f"{CLIENTS} clients, {stage.sizes.crowd_bytes >> 20} MiB each, all digests right", "MiB")


def crowd_health(stage: Stage) -> Result:
    """p99 of `/health` meanwhile, and of one that nginx answers in the same crowd: what the machine allows."""
    found = _crowds(stage)
    least = found["nginx"].median()
    return Result(found, f"{least:.1f} ms where nginx serves this crowd and answers /health itself", "ms")


def _post(stage: Stage, body: str) -> list[str]:
    return ["curl", "-sS", "--fail", "-o", "/dev/null", "-H", stage.bearer(), "-H", "Content-Type: application/json",
            "-d", body, stage.url("/packdownload")]  # fmt: skip


def _together(commands: Sequence[Sequence[str | Path]]) -> None:
    running = [subprocess.Popen(command) for command in commands]
    assert not any([process.wait() for process in running])


def clients_growth(stage: Stage) -> dict[str, dict[float, float]]:
    """Seconds until all of that many clients have a finished package of about 50 KB; at most 300 ask at once."""
    stage.keep_template("shared", "shop_pg", {"o.sql": "orders"}, ', filter: "id <= 400"')
    package_id(stage, "shared")
    found: dict[float, float] = {}
    orders = stage.folder / "orders.curl"
    for count in stage.sizes.clients:
        orders.write_text("next\n".join([_order(stage, '{"template_name": "shared"}')] * count))
        started = time.perf_counter()
        _together([["curl", "--parallel", "--parallel-max", str(min(count, 300)), "--no-progress-meter", "-K", orders]])
        found[count] = time.perf_counter() - started
    return {"all clients have the package": found}


def _order(stage: Stage, body: str) -> str:
    """One request as curl reads it from a file."""
    quoted = body.replace('"', '\\"')
    return (
        f'url = "{stage.url("/packdownload")}"\nheader = "{stage.bearer()}"\n'
        f'header = "Content-Type: application/json"\ndata = "{quoted}"\n'
        'output = "/dev/null"\nfail\nsilent\nshow-error\n'
    )


BENCHMARKS = (
    Benchmark("slow", "downloads read by 1 KB/s: memory of each", "", Goal.VALUE, 64, 20, slow_memory, "KiB"),
    Benchmark("health", "/health p99 while an export, a listing and 100 downloads run", "", Goal.VALUE, 20, 5, health,
              "ms"),
    Benchmark("memory", "peak memory of hfitd: an export with 50 clients", "", Goal.VALUE, 256, 128, crowd_memory,
              "MiB"),
    Benchmark("crowd", "peak memory of hfitd: 50 clients have a large package, a listing runs", "", Goal.VALUE, 256,
              128, crowd_package, "MiB"),
    Benchmark("crowd-health", "/health p99 meanwhile", "", Goal.VALUE, 20, 5, crowd_health, "ms"),
)  # fmt: skip
