"""The audit log, a page at a time, for who may read it."""

from __future__ import annotations

import asyncio
import itertools
from urllib.parse import urlencode

from aiohttp import web

from hfitd.web.console.rendering import TRIED, render
from hfitd.web.context import gateway
from hfitd.web.handlers.audit import begin_reading, read_question, require_reader, visible_entries

MOST = 100  # entries on a page
FIELDS = ("object", "email", "action", "since", "until", "package")


async def audit_page(request: web.Request) -> web.Response:
    """Entries that fit, the oldest end first, with a link to what follows."""
    require_reader(request)
    door, asked = gateway(request), {name: request.query.get(name, "") for name in FIELDS}
    values = {"asked": asked, "raw": request.query.get("raw") == "1", "entries": (), "following": ""}
    request[TRIED] = ("audit.html", values)
    if not request.query:
        return render(request, "audit.html", values)
    question, _ = read_question(request)
    token = await begin_reading(request)
    outcome = "refused"
    try:
        found = await asyncio.to_thread(lambda: list(itertools.islice(visible_entries(request, question), MOST + 1)))
        outcome = "done"
    finally:
        await asyncio.shield(door.audit.end(token, outcome))
    shown = found[:MOST]
    following = urlencode({**request.query, "after": shown[-1].cursor}) if len(found) > MOST and shown else ""
    return render(request, "audit.html", {**values, "entries": [one.fields for one in shown], "following": following})
