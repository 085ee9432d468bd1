"""What every job works with; opened by ``app``, changed by nobody."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from hfitd.audit.log import AuditLog
from hfitd.config.model import LimitsConfig
from hfitd.export.artifacts import Artifacts
from hfitd.export.sources import Sources
from hfitd.export.spool import Spool
from hfitd.model import Actor
from hfitd.observe.observer import Observer


@dataclass(frozen=True, slots=True)
class Workshop:
    """Sources and cost ceilings are asked anew by each job, so that a reload reaches the next one."""

    sources: Callable[[], Sources]
    max_costs: Callable[[], Mapping[str, float | None]]
    artifacts: Artifacts
    spool: Spool
    audit: AuditLog
    observer: Observer
    limits: LimitsConfig
    slot: Callable[[Actor], AbstractAsyncContextManager[None]]  # one of the actor's places for packages
    origin: str
    sign: Callable[[bytes], str]
