"""What every job works with; opened by ``app``, changed by nobody."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from hfitd.access.quotas import Quotas
from hfitd.audit.log import AuditLog
from hfitd.config.model import LimitsConfig
from hfitd.export.artifacts import Artifacts
from hfitd.export.board import Board
from hfitd.export.flights import Flights
from hfitd.export.sources import Sources
from hfitd.export.spool import Spool
from hfitd.model import Actor
from hfitd.observe.observer import Observer
from hfitd.store.approvals import Approvals


@dataclass(frozen=True, slots=True)
class Workshop:
    """Sources are asked anew by each job, so that a reload reaches the next one."""

    sources: Callable[[], Sources]
    artifacts: Artifacts
    flights: Flights
    board: Board
    approvals: Approvals
    spool: Spool
    audit: AuditLog
    observer: Observer
    limits: LimitsConfig
    quotas: Quotas
    slot: Callable[[Actor], AbstractAsyncContextManager[None]]  # one of the actor's places for packages
    origin: str
    sign: Callable[[bytes], str]
