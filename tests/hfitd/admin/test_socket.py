"""Attack case D05: the admin socket, by other users, with other lines, at other places."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hfitd.admin.server import CROWD, bind_privately
from hfitd.errors import Conflict
from tests.live.daemon import Daemon

ASK = """
import os, socket, sys
os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(65534)
with socket.socket(socket.AF_UNIX) as s:
    try:
        s.connect(sys.argv[1])
        s.sendall(b'{"command": "status", "arguments": {}}\\n')
        print(s.makefile().readline())
    except OSError as error:
        print(type(error).__name__)
"""


def connect(daemon: Daemon) -> socket.socket:
    """A connection to the socket."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(15)
    connection.connect(str(daemon.socket))
    return connection


def say(daemon: Daemon, data: bytes) -> bytes:
    """The answer to these bytes, after which we say no more."""
    with connect(daemon) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        try:
            return connection.recv(65536)
        except ConnectionError:
            return b""


def test_d05_the_socket_is_private(small: Daemon) -> None:
    assert stat.S_IMODE(small.socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(small.data.stat().st_mode) == 0o700
    assert not [path for path in small.data.iterdir() if path.name.startswith(".admin-")]


@pytest.mark.parametrize("member", [False, True], ids=["a stranger", "a member of the daemon's group"])
def test_d05_another_user_is_refused_by_the_kernels_word(small: Daemon, member: bool) -> None:
    if os.geteuid() != 0:  # nobody but root can become somebody else; what keeps others out is the mode
        assert stat.S_IMODE(small.socket.stat().st_mode) == 0o600
        return
    argv = [sys.executable, "-c", ASK, str(small.socket), str(os.getegid() if member else 65534)]
    assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip() == "PermissionError"
    folder = small.socket.parent
    while folder != folder.parent:  # even if every permission were wrong
        folder.chmod(folder.stat().st_mode | 0o011)
        folder = folder.parent
    small.socket.chmod(0o666)
    answer = json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)
    assert answer["error"]["code"] == "FORBIDDEN"


WRONG_LINES = [
    b"hello\n", b"[]\n", b'{"command": "status"}\n', b'{"command": "status", "arguments": {}, "x": 1}\n', b"\xff\n",
    b'{"command": "no.such", "arguments": {}}\n', b'{"command": "status", "arguments": {"x": 1}}\n',
    b"[" * 5000 + b"\n",
]  # fmt: skip


def test_d05_a_line_that_is_no_command_is_refused(small: Daemon) -> None:
    for line in WRONG_LINES:
        assert json.loads(say(small, line))["error"]["code"] == "BAD_REQUEST", line
    assert small.admin("status")["audit"] == "ok"


def test_d05_half_a_line_and_a_line_too_long_get_nothing(small: Daemon) -> None:
    assert say(small, b'{"command": "user.list", "arguments": {}}') == b""
    with connect(small) as connection:
        try:
            connection.sendall(b"a" * 1_000_000 + b"\n")
            assert connection.recv(100) == b""
        except ConnectionError:
            pass
    assert small.admin("status")["audit"] == "ok"


def test_d05_many_connections_do_not_shut_the_operator_out_for_long(small: Daemon) -> None:
    crowd = []
    for _ in range(8):
        crowd.append(connect(small))
    for connection in crowd:
        connection.close()
    assert small.admin("status")["audit"] == "ok"


def test_d05_a_thousand_connections_take_nothing_from_others(small: Daemon) -> None:
    def descriptors() -> int:
        return len(os.listdir(f"/proc/{small.pid}/fd"))

    before, crowd = descriptors(), []
    try:
        for _ in range(1000):
            connection = socket.socket(socket.AF_UNIX)
            crowd.append(connection)
            connection.setblocking(False)
            with contextlib.suppress(BlockingIOError):  # nobody waits here for the daemon to accept
                connection.connect(str(small.socket))
            if len(crowd) % 100 == 0:
                assert small.status_of("/health") == 200
                assert descriptors() <= before + CROWD + 40
    finally:
        for connection in crowd:
            connection.close()
    assert small.admin("status")["audit"] == "ok"


def test_d05_the_socket_is_never_open_to_others_not_even_while_it_is_made(tmp_path: Path) -> None:
    path, seen, over = tmp_path / "admin.sock", set(), threading.Event()

    def watch() -> None:
        while not over.is_set():
            for place in (path, *tmp_path.glob(".admin-*"), *tmp_path.glob(".admin-*/s")):
                with contextlib.suppress(FileNotFoundError):
                    seen.add((place.name[:2], stat.S_IMODE(place.lstat().st_mode)))

    watcher, mask = threading.Thread(target=watch), os.umask(0)  # whatever the operator's shell says
    watcher.start()
    try:
        for _ in range(200):
            bind_privately(path).close()
            path.unlink()
    finally:
        os.umask(mask)
        over.set()
        watcher.join()
    assert {mode for name, mode in seen if name == "ad"} <= {0o600}
    assert {mode for name, mode in seen if name == ".a"} <= {0o700}


def test_d05_what_lies_at_the_path_is_respected(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    path = tmp_path / "admin.sock"
    path.symlink_to(victim)
    with pytest.raises(Conflict):
        bind_privately(path)
    assert victim.read_text() == "precious"
    path.unlink()
    with bind_privately(path), pytest.raises(Conflict):  # somebody answers there
        bind_privately(path)
    with bind_privately(path):  # an old socket that nobody answers on is replaced
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_d06_every_admin_word_is_on_record_with_who_said_it(small: Daemon) -> None:
    small.add_person("dev@example.org", "developer")
    records = [record for record in small.audit_records() if record.get("action") == "admin.user.add"]
    assert [record["os_uid"] for record in records] == [os.geteuid()]
    assert records[0]["objects"] == ["dev@example.org"]
