"""A real ``hfitd serve`` in a process of its own: started, waited for, stopped."""

from __future__ import annotations

import http.client
import subprocess
import time
from urllib.parse import urlsplit

from hfitd.demo.shell import clean_environment, program_argv
from hfitd.demo.world import World
from hfitd.errors import Unavailable

START_SECONDS = 30.0
STOP_SECONDS = 15.0
Daemon = subprocess.Popen[bytes]


def start_daemon(world: World) -> Daemon:
    """The running daemon once it answers; Unavailable, with what it said, when it does not come up."""
    with world.log.open("wb") as log:
        daemon = subprocess.Popen(  # noqa: S603 - a command of ours, without a shell
            program_argv(["hfitd", "serve", "--config", world.config.name]),
            cwd=world.folder,
            env=clean_environment(world),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # an interrupt of the demo's terminal is the demo's to handle
        )
    try:
        wait_until_ready(world, daemon)
    except BaseException:
        stop_daemon(daemon)
        raise
    return daemon


def wait_until_ready(world: World, daemon: Daemon) -> None:
    """Return when ``/health`` answers; Unavailable when the process ends or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if daemon.poll() is not None:
            raise Unavailable(f"The daemon ended at once with exit code {daemon.returncode}.")
        if answers(world):
            return
        time.sleep(0.05)
    raise Unavailable(f"The daemon did not answer within {START_SECONDS:.0f} seconds.")


def answers(world: World) -> bool:
    """Whether the daemon serves requests."""
    connection = http.client.HTTPConnection(urlsplit(world.origin).netloc, timeout=2.0)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def stop_daemon(daemon: Daemon) -> None:
    """End the process, kindly first."""
    daemon.terminate()
    try:
        daemon.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()
