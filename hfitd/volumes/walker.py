"""``python -m hfitd.volumes.walker``: walks folders for the daemon, in a process with an interpreter lock of its own.

1. It is given what a listing needs and nothing else: the descriptor of the volume's root, the rules, the query. It has
   no configuration, no key, no environment, and the opener keeps it beneath that root.
2. Standard input is a Unix socket. A wish is four bytes of length (big-endian; the root's descriptor comes with them,
   SCM_RIGHTS), then JSON of that length. The answer is frames: one byte of kind, four of length, so many bytes. Frames
   ``L`` are whole NDJSON lines; the last one is ``E``, JSON that says how many names were looked at, or why it ended.
   Before the first wish is taken there is a frame ``R``.
3. Who asks and does not read holds it back: the socket takes no more. Who leaves closes the socket, and that ends it.
4. It stands behind the daemon where both want a processor, and leaves the signals of a terminal or an init to it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import asdict

from hfitd.errors import HfitError, NotFound, TooLarge
from hfitd.volumes.interface import ListingQuery
from hfitd.volumes.lines import LINES, join
from hfitd.volumes.opener import choose_opener
from hfitd.volumes.scan import BATCH, FIRST_BATCH, Caps, Rules, Scan, Wish

LENGTH_BYTES = 4
FRAME_READY, FRAME_LINES, FRAME_END = b"R", b"L", b"E"
MAX_WISH = 1 << 20
NICE = 10
REFUSALS: dict[str, type[HfitError]] = {"NOT_FOUND": NotFound, "TOO_LARGE": TooLarge}  # how a walk may end, by code


def dump_wish(wish: Wish) -> bytes:
    """A wish as JSON."""
    return json.dumps(asdict(wish), ensure_ascii=False).encode()


def read_wish(data: bytes) -> Wish:
    """What ``dump_wish`` wrote."""
    found = json.loads(data)
    rules, query = found["rules"], found["query"]
    rules["extensions"], query["name_globs"] = tuple(rules["extensions"]), tuple(query["name_globs"])
    return Wish(Rules(**rules), ListingQuery(**query), Caps(**found["caps"]))


def frame(kind: bytes, data: bytes) -> bytes:
    """One frame of an answer (2)."""
    return kind + len(data).to_bytes(LENGTH_BYTES) + data


def frames(root: int, wish: Wish) -> Iterator[bytes]:
    """The answer to a wish."""
    scan = Scan(root, choose_opener(root, follow_symlinks=wish.rules.links), wish, LINES)
    refused: dict[str, str | None] = {}
    lines: list[str] = []
    wanted = FIRST_BATCH
    with contextlib.closing(scan.pieces()) as pieces:
        try:
            for some in pieces:
                lines += some
                if len(lines) >= wanted:
                    yield frame(FRAME_LINES, join(lines))
                    lines, wanted = [], BATCH
        except tuple(REFUSALS.values()) as error:
            refused = {"code": error.code, "message": error.message, "resource": error.resource}
    if lines:
        yield frame(FRAME_LINES, join(lines))
    yield frame(FRAME_END, json.dumps({"seen": scan.seen, **refused}).encode())


def read_exactly(door: socket.socket, size: int) -> bytes:
    """So many bytes, or fewer when who asks has left."""
    data = b""
    while len(data) < size and (more := door.recv(size - len(data))):
        data += more
    return data


def serve(door: socket.socket) -> None:
    """Answer wishes until who asks has left (3)."""
    while True:
        data, descriptors, _, _ = socket.recv_fds(door, LENGTH_BYTES, 1)
        data += read_exactly(door, LENGTH_BYTES - len(data)) if data else b""
        length = int.from_bytes(data)
        if len(data) < LENGTH_BYTES or len(descriptors) != 1 or length > MAX_WISH:
            return
        try:
            for answer in frames(descriptors[0], read_wish(read_exactly(door, length))):
                door.sendall(answer)
        finally:
            os.close(descriptors[0])


def main() -> None:
    """See the module."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # 4
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError):  # a sandbox may refuse that
        os.nice(NICE)
    with socket.socket(fileno=0) as door, contextlib.suppress(ConnectionError):
        door.sendall(frame(FRAME_READY, b""))
        serve(door)


if __name__ == "__main__":
    main()
