"""A listening socket that systemd hands over (sd_listen_fds(3)): while hfitd restarts, connections wait and none is
refused.

It has to be the one that ``server.listen`` names: what was checked there (no clear text beyond this machine) would
otherwise not hold for it.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from hfitd.errors import StartRefused

_FIRST = 3  # SD_LISTEN_FDS_START


def inherited_socket(environ: Mapping[str, str], host: str, port: int) -> socket.socket | None:
    """The socket meant for this process, or None when there is none; StartRefused when it is another one."""
    if environ.get("LISTEN_PID") != str(os.getpid()) or environ.get("LISTEN_FDS", "0") == "0":
        return None
    if environ["LISTEN_FDS"] != "1":
        raise StartRefused(["More than one socket was handed over; hfitd.socket has one ListenStream."])
    try:
        found = socket.socket(fileno=_FIRST)
        listens = found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise StartRefused(["What was handed over is no listening socket."]) from error
    if not listens or found.family not in {socket.AF_INET, socket.AF_INET6} or found.getsockname()[:2] != (host, port):
        found.close()
        raise StartRefused(["The socket that was handed over is not the one of server.listen; make them the same."])
    found.setblocking(False)
    return found
