"""Templates: the gallery."""

from __future__ import annotations

from aiohttp import web

from hfitd.web.console.rendering import render
from hfitd.web.context import actor, gateway


async def gallery(request: web.Request) -> web.Response:
    """Templates the visitor may run or edit."""
    templates = await gateway(request).library.summaries(actor(request))
    return render(request, "gallery.html", templates=templates)
