"""The process itself: alive, ready, version, metrics, documentation."""

from __future__ import annotations

import asyncio
import time
from importlib.resources import files as package_files

from aiohttp import web

from hfitd.access.certificates import state_of_certificate
from hfitd.errors import NotFound
from hfitd.observe.events import AuditLag
from hfitd.observe.metrics import METRICS_CONTENT_TYPE
from hfitd.web.context import gateway

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
STATIC_TYPES = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "docs.js": "text/javascript",
}
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Hot Fixture Tool: API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="page"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/docs.js"></script>
</body>
</html>
"""
DOCS_SCRIPT = b"""SwaggerUIBundle({url: "/openapi.json", dom_id: "#page", deepLinking: true, validatorUrl: null});
"""


async def health(request: web.Request) -> web.Response:
    """The process answers."""
    return web.json_response({"status": "ok"})


async def ready(request: web.Request) -> web.Response:
    """Store and audit can be used; says of each provider whether it answers, without naming hosts."""
    door = gateway(request)
    store, providers = await door.readiness.ask(door.store, door.sources())
    audit = await door.readiness.ask_audit(door.audit)
    good = store == audit == "ok" and not door.draining
    document = {
        "status": "ready" if good else "draining" if door.draining else "not ready",
        "store": store,
        "audit": audit,
        "providers": providers,
    }
    if door.certificate is not None:
        document["certificate"] = state_of_certificate(door.certificate.ends, time.time())
    return web.json_response(document, status=200 if good else 503)


async def version(request: web.Request) -> web.Response:
    """What runs here."""
    return web.json_response({"version": gateway(request).version, "api": "v1", "package_format": 1})


async def metrics(request: web.Request) -> web.Response:
    """All metrics in the Prometheus text format."""
    door = gateway(request)
    door.observer.event(AuditLag(door.audit.lag))
    await door.readiness.ask(door.store, door.sources())  # moves the metrics of the sources, at most every few seconds
    text = door.observer.metrics_text()
    return web.Response(body=text, headers={"Content-Type": METRICS_CONTENT_TYPE})


async def openapi(request: web.Request) -> web.Response:
    """OpenAPI 3.1."""
    return web.Response(body=gateway(request).document, content_type="application/json")


async def docs(request: web.Request) -> web.Response:
    """The document to browse, offline."""
    return web.Response(text=PAGE, content_type="text/html", headers={"Content-Security-Policy": PAGE_POLICY})


async def docs_file(request: web.Request) -> web.Response:
    """A part of the documentation page."""
    name = request.match_info["file"]
    if name not in STATIC_TYPES:
        raise NotFound
    body = DOCS_SCRIPT if name == "docs.js" else await asyncio.to_thread(_read_static, name)
    return web.Response(body=body, content_type=STATIC_TYPES[name], charset="utf-8")


def _read_static(name: str) -> bytes:
    return package_files("hfitd.web").joinpath("static", name).read_bytes()
