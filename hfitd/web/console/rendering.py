"""How a page is made: jinja2 with autoescape, no undefined names, one frame; nothing in it is inline code or style.

1. Every value goes through the escaping of HTML; the only markup that does not is the picture of a plan, which
   ``hfitd.web.picture`` escapes itself.
2. The policy of a page allows scripts, styles and pictures of this origin alone, no inline ones, no framing, no other
   form target; strings never become markup in scripts (Trusted Types).
3. Pages are kept by no cache.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files as package_files
from urllib.parse import quote

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from hfitd.errors import HfitError
from hfitd.model import Action
from hfitd.web.console.guard import FORM_TOKEN, VISIT
from hfitd.web.context import ACTOR, REQUEST_ID, gateway
from hfitd.web.operators import sees_operations

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",  # with no-referrer a form would come without its origin
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
STATIC_TYPES = {
    "console.css": "text/css",
    "picture.css": "text/css",
    "console.js": "text/javascript",
    "mark.svg": "image/svg+xml",
}
TRIED = web.RequestKey("tried", tuple[str, Mapping[str, object]])  # the page to show an error on: name, values


@dataclass(frozen=True, slots=True)
class Pages:
    """The templates, and the files that they name by digest so that browsers may keep them."""

    environment: Environment
    files: Mapping[str, bytes]

    def asset(self, name: str) -> str:
        """The address of a file."""
        return f"/console/static/{name}?v={hashlib.sha256(self.files[name]).hexdigest()[:12]}"

    def text(self, name: str) -> str:
        """What a file says."""
        return self.files[name].decode()


PAGES = web.AppKey("console_pages", Pages)


def make_pages() -> Pages:
    """The pages of an application."""
    environment = Environment(
        loader=PackageLoader("hfitd.web.console", "pages"),
        autoescape=True,  # 1
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    folder = package_files("hfitd.web.console").joinpath("static")
    pages = Pages(environment, {name: folder.joinpath(name).read_bytes() for name in STATIC_TYPES})
    environment.filters |= {"segment": _segment, "size": show_size, "count": show_count, "moment": show_moment}
    environment.globals["asset"] = pages.asset
    return pages


def render(
    request: web.Request, name: str, values: Mapping[str, object] | None = None, *, status: int = 200
) -> web.Response:
    """A page. ``values`` are what its template names."""
    text = request.config_dict[PAGES].environment.get_template(name).render({**_frame(request), **(values or {})})
    return web.Response(text=text, status=status, content_type="text/html", headers=HEADERS)


def error_page(request: web.Request, error: HfitError) -> web.Response:
    """The error in words: on the page where it happened when the handler named one, else on a page of its own."""
    said = {"message": error.message, "resource": error.resource, "suggestions": error.suggestions}
    name, values = request.get(TRIED, ("error.html", {}))
    if error.status == 401:
        name, values = "closed.html", {}
    response = render(request, name, {**values, "error": {**said, "status": error.status}}, status=error.status)
    response.headers["X-Request-Id"] = request[REQUEST_ID]
    if error.retry_after_seconds is not None:
        response.headers["Retry-After"] = str(max(1, error.retry_after_seconds))
    return response


def redirect(path: str) -> web.Response:
    """Go on with a GET of another page."""
    return web.Response(status=303, headers={**HEADERS, "Location": path})


def segment(name: str) -> str:
    """A name as one part of a path."""
    return _segment(name)


def _segment(name: str) -> str:
    return quote(name, safe="")


def _frame(request: web.Request) -> dict[str, object]:
    """What every page has: whose it is, and what of the console exists for them."""
    person = request.get(ACTOR)
    visit = request.get(VISIT)
    return {
        "email": person.email if person else "",
        "roles": person.roles if person else (),
        "form_field": FORM_TOKEN,
        "form_token": visit.form_token if visit else "",
        "nav": _nav(request) if person and visit else (),
        "path": request.path,
        "version": gateway(request).version,
        "error": None,
        "request_id": request[REQUEST_ID],
    }


def _nav(request: web.Request) -> list[tuple[str, str]]:
    """The sections that exist for this person."""
    sources, person = gateway(request).sources(), request[ACTOR]
    policy = sources.policy
    reads_audit = policy.may_enter(person, Action.AUDIT_READ)
    found = [("/console", "Templates"), ("/console/packages", "Packages")]
    if reads_audit or any(policy.may_enter(person, Action.ROWS, name) for name in sources.engines):
        found.append(("/console/data", "Data"))
    if any(policy.may_enter(person, Action.FILES_LIST, name) for name in sources.volumes):
        found.append(("/console/volumes", "Volumes"))
    found.append(("/console/requests", "Requests"))
    if reads_audit:
        found.append(("/console/audit", "Audit"))
    if sees_operations(request):
        found.append(("/console/operations", "Operations"))
    return found


def show_size(size: int | None) -> str:
    """Bytes for a person."""
    if size is None:
        return "?"
    amount = float(size)
    for unit in ("B", "KB", "MB", "GB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TB"


def show_count(number: int | None) -> str:
    """A number with its thousands apart."""
    return "?" if number is None else f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def show_moment(moment: float | str | None) -> str:
    """A time in UTC, to the minute."""
    if moment is None or moment == "":
        return "-"
    parsed = datetime.fromisoformat(moment) if isinstance(moment, str) else datetime.fromtimestamp(moment, UTC)
    return parsed.astimezone(UTC).strftime("%Y-%m-%d %H:%M") + " UTC"
