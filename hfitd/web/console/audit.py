"""The audit log, a page at a time, for who may read it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from urllib.parse import urlencode

from aiohttp import web

from hfitd.audit.search import Entry
from hfitd.web.console.rendering import TRIED, render
from hfitd.web.context import gateway
from hfitd.web.handlers.audit import begin_reading, read_question, require_reader, visible_entries

MOST = 100  # entries on a page
FIELDS = ("object", "email", "action", "since", "until", "package")


async def audit_page(request: web.Request) -> web.Response:
    """Entries that fit, the newest first: what is still open, then what ended last, with a link to what is older."""
    require_reader(request)
    door, asked = gateway(request), {name: request.query.get(name, "") for name in FIELDS}
    values = {"asked": asked, "raw": request.query.get("raw") == "1", "entries": (), "older": "", "newest": ""}
    request[TRIED] = ("audit.html", values)
    if not request.query:
        return render(request, "audit.html", values)
    question, _ = read_question(request)
    token = await begin_reading(request)
    outcome = "refused"
    try:
        shown, older = await asyncio.to_thread(newest, visible_entries(request, question))
        outcome = "done"
    finally:
        await asyncio.shield(door.audit.end(token, outcome))
    kept = {name: value for name, value in request.query.items() if name != "before"}
    links = {
        "older": urlencode({**kept, "before": older}) if older else "",
        "newest": urlencode(kept) if "before" in request.query else "",
    }
    return render(request, "audit.html", {**values, **links, "entries": [one.fields for one in shown]})


def newest(entries: Iterable[Entry]) -> tuple[list[Entry], str]:
    """The last entries, the newest first, as many as a page holds of open and of ended ones each; and the cursor
    before which there are more, or ''. The log is read forward, and no more of it is held than a page."""
    opened, ended = deque[Entry](maxlen=MOST), deque[Entry](maxlen=MOST + 1)
    for entry in entries:
        (ended if entry.cursor else opened).append(entry)
    older = ended.popleft() if len(ended) > MOST else None
    return [*reversed(opened), *reversed(ended)], ended[0].cursor if older else ""
