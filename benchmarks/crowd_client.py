"""``python -m benchmarks.crowd_client COUNT``: many clients that download the same thing, each checking its digest.

The request stands on standard input, with ``PORT`` before it on a line of its own. One thread reads all connections as
they have something (epoll) and hashes what it read; so the crowd takes one core at most, as one link would, and the
server is what is measured, not a hundred processes that wait for two cores. A line for each different digest of a body
that came whole is printed: ``TIMES BYTES SHA-256``.
"""

from __future__ import annotations

import collections
import hashlib
import re
import selectors
import socket
import sys
from dataclasses import dataclass, field
from typing import Any

PIECE = 256 * 1024
HEAD_END = b"\r\n\r\n"


@dataclass(slots=True)
class Client:
    """One connection. ``length`` is -1 until the head has come."""

    connection: socket.socket
    head: bytes = b""
    length: int = -1
    size: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    def take(self, data: memoryview) -> None:
        """Count and hash what arrived."""
        if self.length < 0:
            self.head += data
            head, found, body = self.head.partition(HEAD_END)
            if not found:
                return
            length = re.search(rb"(?i)\ncontent-length: (\d+)", head)
            if b" 200 " not in head.partition(b"\n")[0] or length is None:
                raise SystemExit(f"refused: {head[:200]!r}")
            self.length, data = int(length[1]), memoryview(body)
        self.size += len(data)
        self.digest.update(data)

    @property
    def whole(self) -> bool:
        """Whether everything that was announced is there."""
        return self.size == self.length


def main() -> int:
    """Download with all of them, then tell."""
    port, _, request = sys.stdin.buffer.read().partition(b"\n")
    chosen = selectors.DefaultSelector()
    for _ in range(int(sys.argv[1])):
        connection = socket.create_connection(("127.0.0.1", int(port)))
        connection.sendall(request)
        connection.setblocking(False)
        chosen.register(connection, selectors.EVENT_READ, Client(connection))
    found: collections.Counter[tuple[int, str]] = collections.Counter()
    space = memoryview(bytearray(PIECE))
    while chosen.get_map():
        for key, _ in chosen.select():
            client: Client = key.data
            size = client.connection.recv_into(space)
            client.take(space[:size])
            if size and not client.whole:
                continue
            if not client.whole:
                raise SystemExit(f"a body ended after {client.size} of {client.length} bytes")
            found[client.size, client.digest.hexdigest()] += 1
            chosen.unregister(client.connection)
            client.connection.close()
    for (size, digest), times in found.items():
        print(times, size, digest)
    return 0


if __name__ == "__main__":
    sys.exit(main())
