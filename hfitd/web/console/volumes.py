"""Volumes: their names, and the files of one with the filters of the command line."""

from __future__ import annotations

import asyncio
import time

from aiohttp import web

from hfitd.export.files import list_files, list_volumes, require_volume
from hfitd.export.record import actor_record
from hfitd.model import Action
from hfitd.volumes.interface import FileEntry
from hfitd.volumes.listing import NAMES, parse_listing_query
from hfitd.web.console.rendering import TRIED, render
from hfitd.web.context import actor, gateway

MOST = 300  # files on a page; it says when there are more


async def volumes_page(request: web.Request) -> web.Response:
    """Volumes to look into."""
    return render(request, "volumes.html", {"volumes": list_volumes(gateway(request).sources(), actor(request))})


async def files_page(request: web.Request) -> web.Response:
    """Files of a volume, as many as a page holds."""
    door, person, volume = gateway(request), actor(request), request.match_info["volume"]
    require_volume(door.sources(), person, volume, Action.FILES_LIST)
    asked = {name: request.query.get(name, "") for name in NAMES}
    values = {"volume": volume, "asked": asked, "files": (), "more": False, "most": MOST}
    request[TRIED] = ("files.html", values)
    query = parse_listing_query(_filters(request), time.time())
    token = await door.audit.begin(actor_record(Action.FILES_LIST.value, person, (volume,)))
    outcome, found = "refused", list[FileEntry]()
    batches = list_files(door.sources(), person, volume, query, list)
    try:
        async for batch in batches:
            found += batch
            if len(found) > MOST:
                break
        outcome = "done"
    finally:
        await batches.aclose()
        await asyncio.shield(door.audit.end(token, outcome))
    return render(request, "files.html", {**values, "files": found[:MOST], "more": len(found) > MOST})


def _filters(request: web.Request) -> list[tuple[str, str]]:
    given = [(name, value) for name, value in request.query.items() if value]
    return given if request.query.get("sort") else [*given, ("sort", "path:asc")]
