"""What the process says of itself, whatever it is asked: its life, its settings, its event loop."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Observed:
    """One thing that happened; ``level`` is that of its log line."""

    level: ClassVar[int] = logging.INFO


@dataclass(frozen=True, slots=True)
class Started(Observed):
    """The daemon serves."""

    version: str
    instance: str


@dataclass(frozen=True, slots=True)
class CertificateLoaded(Observed):
    """TLS is served with a certificate that ``ends`` then, in seconds since 1970."""

    ends: float


@dataclass(frozen=True, slots=True)
class Stopping(Observed):
    """It takes no new work and waits for ``jobs``."""

    jobs: int


@dataclass(frozen=True, slots=True)
class Stopped(Observed):
    """It has ended; ``lost`` jobs did not finish in time."""

    lost: int


@dataclass(frozen=True, slots=True)
class ConfigReloaded(Observed):
    """SIGHUP was answered; with ``mistakes`` the old configuration stays. ``restart`` names sections that changed, too,
    and are taken over by a new start only."""

    mistakes: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InsecureSetting(Observed):
    """``server.insecure`` allows this."""

    level: ClassVar[int] = logging.WARNING
    name: str


@dataclass(frozen=True, slots=True)
class WalkerLost(Observed):
    """A process that lists large volumes is not there any more, and why; another takes its place."""

    level: ClassVar[int] = logging.WARNING
    reason: str


@dataclass(frozen=True, slots=True)
class LoopLag(Observed):
    """The event loop was away this long, and has this many tasks."""

    level: ClassVar[int] = logging.DEBUG
    seconds: float
    tasks: int


@dataclass(frozen=True, slots=True)
class LoopHeld(Observed):
    """A step of the event loop worked this long without giving it back, in CPU time: everybody else waited."""

    level: ClassVar[int] = logging.WARNING
    cpu_seconds: float
