"""A job whose snapshot the database ended for needs of its own is begun anew, once, while nobody has a byte (O08).

A replica does that when replay needs what the snapshot still sees. Whoever waits for the job notices a delay; once some
of it has left, the rest of another snapshot would not fit to it, and the job fails.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from hfitd.errors import DbUnavailable
from hfitd.export.job import Job
from hfitd.export.spool import Spool


async def run_job(
    job: Job,
    spool: Spool,
    run: Callable[[Path], Awaitable[None]],
    lost: Callable[[DbUnavailable], Awaitable[None]],
) -> None:
    """Run a job in a folder of its own, which the caller removes. ``lost`` hears of a first attempt in vain."""
    folder = spool.job_folder(job.id)
    try:
        await run(folder)
    except DbUnavailable as error:
        if not error.conflict or not job.start_over():
            raise
        await lost(error)
        await spool.remove(folder)
        await run(spool.job_folder(job.id))
