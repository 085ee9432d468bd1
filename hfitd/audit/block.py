"""A block of work between its begin and its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hfitd.audit.log import AuditLog
from hfitd.audit.record import AuditRecord
from hfitd.errors import HfitError


@asynccontextmanager
async def recorded(audit: AuditLog, record: AuditRecord) -> AsyncIterator[None]:
    """Nothing of the block happens when the begin cannot be written; its end says how it went."""
    token = await audit.begin(record)
    outcome, code = "failed", ""
    try:
        yield
        outcome = "done"
    except HfitError as error:
        outcome, code = "refused" if error.status < 500 else "failed", error.code
        raise
    finally:
        await asyncio.shield(audit.end(token, outcome, code=code))
