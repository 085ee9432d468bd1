"""What time makes useless goes by itself: expired packages, and requests that were over long ago."""

from __future__ import annotations

import asyncio
import contextlib
import time

from hfitd.errors import StoreUnavailable
from hfitd.export.artifacts import Artifacts
from hfitd.store.access import AccessRequests

ROUND_SECONDS = 300.0
KEEP_REQUESTS_SECONDS = 30 * 86400.0  # the audit log has them for as long as it is kept


async def keep_tidy(artifacts: Artifacts, requests: AccessRequests, every_seconds: float = ROUND_SECONDS) -> None:
    """Tidy up now and every few minutes, until cancelled. A store that does not answer is for the next round."""
    while True:
        with contextlib.suppress(StoreUnavailable, OSError):
            await artifacts.remove_expired()
            await requests.tidy(time.time() - KEEP_REQUESTS_SECONDS)
        await asyncio.sleep(every_seconds)
