"""Every page of the console: method, path, handler, and the action of the API that it is on record as."""

from __future__ import annotations

from dataclasses import replace

from hfitd.web.console import entry, gallery
from hfitd.web.table import Guard, Handler, Route

MAX_FORM = 256 * 1024


def page(path: str, handler: Handler, summary: str, *, action: str = "", audits_itself: bool = False) -> Route:
    """A page to look at."""
    return Route(
        "GET",
        "/console" + path,
        handler,
        summary,
        Guard.CONSOLE,
        response="text/html",
        action=action,
        audits_itself=audits_itself,
    )


def form(path: str, handler: Handler, summary: str, *, action: str = "", audits_itself: bool = False) -> Route:
    """A form that does something."""
    looked = page(path, handler, summary, action=action, audits_itself=audits_itself)
    return replace(looked, method="POST", max_body=MAX_FORM)


CONSOLE_ROUTES: tuple[Route, ...] = (
    Route("GET", "/console/enter", entry.enter_page, "Where `hfit web` leads", Guard.PUBLIC, response="text/html"),
    Route(
        "POST",
        "/console/enter",
        entry.enter,
        "A session for a ticket",
        Guard.PUBLIC,
        response="text/html",
        max_body=entry.MAX_ENTER,
    ),
    Route("GET", "/console/static/{file}", entry.static_file, "Style and script", Guard.PUBLIC),
    form("/leave", entry.leave, "End the session", action="logout"),
    page("", gallery.gallery, "Templates you may use", action="list_templates"),
)
