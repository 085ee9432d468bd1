"""Following a plan or a package: whose, by which name, and from which instance."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from hfitd.errors import HfitError
from hfitd.export.board import WATCH, Board
from hfitd.export.downloads import Downloads
from hfitd.export.job import Job
from hfitd.export.progress import Event, describe_error
from hfitd.model import Actor

LOOK_SECONDS = 0.5


async def open_events(downloads: Downloads, name: str, actor: Actor) -> AsyncGenerator[Event, None]:
    """What is told under a name of the actor's own, or of a package that the actor obtained; NotFound for any other.

    Nothing of the package is given, so nothing of it is on record. While the events of a package are read, it has a
    reader; those of a name are for who waits for the answer as well.
    """
    if WATCH.fullmatch(name):
        return downloads.board.follow(actor.email, name)
    if await downloads.is_elsewhere(name, actor):
        return _relayed(downloads, name, actor)
    return _read(await downloads.look(name, actor))


async def _read(job: Job) -> AsyncGenerator[Event, None]:
    with job.reading():
        async for event in job.progress.follow():
            yield event


async def _relayed(downloads: Downloads, name: str, actor: Actor) -> AsyncGenerator[Event, None]:
    """A package that another instance makes: its figures as that one tells them, then its end from its own record."""
    landing = asyncio.create_task(downloads.look(name, actor))
    try:
        async with aclosing(_until(landing, downloads.board, name)) as figures:
            async for event in figures:
                yield event
        try:
            job = await landing
        except HfitError as error:
            yield "failed", describe_error(error)
            return
        async with aclosing(_read(job)) as events:
            async for event in events:
                yield event
    finally:
        landing.cancel()


async def _until(landing: asyncio.Task[Job], board: Board, name: str) -> AsyncGenerator[Event, None]:
    told: dict[str, object] = {}
    while not landing.done():
        for kind, data in await board.read(name) or ():
            if kind in {"planning", "progress"} and told.get(kind) != data:
                told[kind] = data
                yield kind, data
        await asyncio.wait([landing], timeout=LOOK_SECONDS)
