"""``python -m benchmarks.prober PORT``: how long ``/health`` takes to answer, in milliseconds, a line each.

It asks on one connection every 5 ms until its input ends. A process of its own: in a thread beside the readers of
downloads it would measure their interpreter lock.
"""

from __future__ import annotations

import contextlib
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

INTERVAL_SECONDS = 0.005


def main() -> int:
    """Ask, then tell."""
    latencies: list[float] = []
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while not select.select([sys.stdin], [], [], INTERVAL_SECONDS)[0]:
            started = time.perf_counter()
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            connection.recv(65536)
            latencies.append((time.perf_counter() - started) * 1000)
    print("\n".join(map(str, latencies)))
    return 0


@contextlib.contextmanager
def probing(port: int) -> Iterator[list[float]]:
    """Ask during the block; the list is filled when it ends."""
    latencies: list[float] = []
    argv = [sys.executable, "-m", "benchmarks.prober", str(port)]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            yield latencies
        finally:
            said, _ = process.communicate("")
            latencies.extend(map(float, said.split()))


if __name__ == "__main__":
    sys.exit(main())
