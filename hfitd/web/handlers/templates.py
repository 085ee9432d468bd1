"""Templates: YAML in, YAML out, a diff in between."""

from __future__ import annotations

from aiohttp import web

from hfitd.errors import UnsupportedMedia
from hfitd.export.library import describe_stored
from hfitd.web.bodies import read_bytes
from hfitd.web.context import actor, gateway

MAX_TEMPLATE = 64 * 1024
MAX_BUNDLE = 4 * 1024 * 1024
YAML_TYPES = {"application/yaml", "application/x-yaml", "text/yaml"}


async def list_templates(request: web.Request) -> web.Response:
    """Templates you may run or edit."""
    return web.json_response(await gateway(request).library.summaries(actor(request)))


async def create_template(request: web.Request) -> web.Response:
    """Keep a new template; with ``dry_run=1`` only check it."""
    text = await _read_yaml(request)
    library = gateway(request).library
    if request.query.get("dry_run") == "1":
        template = await library.check(actor(request), text)
        return web.json_response({"name": template.name, "digest": template.digest})
    return web.json_response(describe_stored(await library.create(actor(request), text)), status=201)


async def show_template(request: web.Request) -> web.Response:
    """The text of a template; ``NAME@DIGEST`` is the one that was approved."""
    library = gateway(request).library
    stored = await library.show_version(actor(request), request.match_info["name"])
    described = await library.describe(stored)
    headers = {"ETag": f'"{stored.digest}"', "X-Hfit-State": str(described["state"])}
    return web.Response(text=stored.text, content_type="application/yaml", charset="utf-8", headers=headers)


async def update_template(request: web.Request) -> web.Response:
    """Replace your template; earlier versions stay addressable by digest."""
    text = await _read_yaml(request)
    stored = await gateway(request).library.update(actor(request), request.match_info["name"], text)
    return web.json_response(describe_stored(stored))


async def diff_template(request: web.Request) -> web.Response:
    """What an update would change, as a unified diff; changes nothing."""
    text = await _read_yaml(request)
    diff = await gateway(request).library.diff(actor(request), request.match_info["name"], text)
    return web.Response(text=diff, content_type="text/x-diff", charset="utf-8")


async def delete_template(request: web.Request) -> web.Response:
    """Remove your template."""
    await gateway(request).library.delete(actor(request), request.match_info["name"])
    return web.Response(status=204)


async def share_template(request: web.Request) -> web.Response:
    """Let others run your template, each with their own rights."""
    stored = await gateway(request).library.share(actor(request), request.match_info["name"])
    return web.json_response(describe_stored(stored))


async def push_bundle(request: web.Request) -> web.Response:
    """Keep a .tar.gz of templates, all or nothing."""
    if request.content_type not in {"application/gzip", "application/x-gzip", "application/octet-stream"}:
        raise UnsupportedMedia("Send the bundle as application/gzip.")
    archive = await read_bytes(request, MAX_BUNDLE)
    dry_run = request.query.get("dry_run") == "1"
    results = await gateway(request).library.push(actor(request), archive, dry_run=dry_run)
    return web.json_response([{"name": name, "result": result} for name, result in results])


async def _read_yaml(request: web.Request) -> bytes:
    if request.content_type not in YAML_TYPES:
        raise UnsupportedMedia("Send the template as application/yaml.")
    return await read_bytes(request, MAX_TEMPLATE)
