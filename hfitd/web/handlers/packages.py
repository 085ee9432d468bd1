"""Packages: the plan, the download, the same bytes again, and how far they are."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import replace
from functools import partial

from aiohttp import web

from hfitd.errors import BadRequest, SourceChanged
from hfitd.export.artifacts import Artifact, describe_artifact
from hfitd.export.board import check_watch
from hfitd.export.delivery import Delivery
from hfitd.export.following import open_events
from hfitd.export.record import reopen_record
from hfitd.export.requests import Given, PackageRequest, read_request
from hfitd.volumes.folder import shape_of
from hfitd.web import again
from hfitd.web.bodies import DownloadBody, PlanBody, read_json
from hfitd.web.console.rendering import PAGES
from hfitd.web.context import actor, gateway
from hfitd.web.picture.plan import draw_plan
from hfitd.web.picture.svg import write_svg
from hfitd.web.ranges import wanted_span
from hfitd.web.streams import (
    attachment,
    begin,
    bytes_left,
    finish,
    head_response,
    on_record,
    send_bytes,
    send_chunks,
    send_span,
)

MAX_BODY = 1024 * 1024
EVENTS = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


async def plan_package(request: web.Request) -> web.Response:
    """What a download would do, without reading a data row; with ``Accept: image/svg+xml`` as a picture."""
    body = await read_json(request, PlanBody, MAX_BODY)
    wanted = await _request(request, body["template_name"], _parameters(body["parameters"]))
    document = await gateway(request).downloads.plan(wanted, prepare=body["prepare"])
    if request.headers.get("Accept", "").partition(";")[0].strip() != "image/svg+xml":
        return web.json_response(document)
    assert isinstance(document, Mapping)
    text = write_svg(draw_plan(document), request.config_dict[PAGES].text("picture.css"))
    return web.Response(text=text, content_type="image/svg+xml", headers={"Content-Security-Policy": PICTURE_POLICY})


async def download_package(request: web.Request) -> web.StreamResponse:
    """Build the package, or join who builds it, or serve it again."""
    body = await read_json(request, DownloadBody, MAX_BODY)
    wanted = await _request(
        request,
        body["template_name"],
        _parameters(body["parameters"]),
        compression=body["compression"],
        refresh=body["refresh"],
    )
    door = gateway(request)
    delivery = await door.downloads.start(wanted)
    return await _deliver(request, delivery, wanted.known_digest)


async def list_packages(request: web.Request) -> web.Response:
    """Packages you obtained and can fetch again, the newest first."""
    door = gateway(request)
    found = await door.downloads.artifacts.held_by(actor(request), door.sources().version)
    return web.json_response([describe_artifact(artifact) for artifact in found])


async def get_package(request: web.Request) -> web.StreamResponse:
    """The same bytes again, whole or a range; only for who obtained them."""
    door = gateway(request)
    delivery = await door.downloads.reopen(request.match_info["id"], actor(request))
    return await _deliver(request, delivery, "")


async def package_head(request: web.Request) -> web.StreamResponse:
    """The head of a package, without its body."""
    return await get_package(request)


async def package_events(request: web.Request) -> web.StreamResponse:
    """Progress as server-sent events until it is done or has failed."""
    found = await open_events(gateway(request).downloads, request.match_info["id"], actor(request))
    async with aclosing(found) as events:
        response = await begin(request, 200, EVENTS, None)
        async for kind, data in events:
            told = f"event: {kind}\ndata: {json.dumps(data)}\n\n" if kind else ":\n\n"
            await response.write(told.encode())
    return await finish(request, response)


async def _request(
    request: web.Request, name: str, given: Given, *, compression: str = "gzip", refresh: bool = False
) -> PackageRequest:
    door = gateway(request)
    return await read_request(
        door.library.shelf,
        door.sources(),
        actor(request),
        name,
        given,
        compression=compression,
        refresh=refresh,
        known_digest=request.headers.get("X-Hfit-Known-Digest", ""),
        watch=check_watch(request.headers.get("X-Hfit-Watch", "")),
    )


async def _deliver(request: web.Request, delivery: Delivery, known_digest: str) -> web.StreamResponse:
    """Send it, and close its audit record with what became of it."""
    async with on_record(
        request, lambda outcome, code: _close(request, delivery, outcome, code), lambda: delivery.job.error
    ):
        return await _send(request, delivery, known_digest)


async def _close(request: web.Request, delivery: Delivery, outcome: str, code: str) -> None:
    await gateway(request).downloads.delivered(delivery, outcome, bytes_left(request), code)


async def _send(request: web.Request, delivery: Delivery, known_digest: str) -> web.StreamResponse:
    job = delivery.job
    if job.artifact is None and "Range" in request.headers:
        with job.reading():
            await job.wait()  # a range of something that still grows has no end: wait for it, then resume
    headers = _headers(delivery)
    artifact = job.artifact
    if artifact is None:
        with job.reading():
            if request.method == "HEAD":
                return head_response(headers)
            return await send_chunks(request, delivery.read(), headers)
    same = known_digest == artifact.package_digest or request.headers.get("If-None-Match") == delivery.etag
    if (known_digest and same) or (request.method in {"GET", "HEAD"} and same):
        return head_response(headers, status=304)
    if request.method == "HEAD":
        return head_response({**headers, "Accept-Ranges": "bytes"}, artifact.size)
    span = wanted_span(request, artifact.size, delivery.etag)
    await delivery.hold(span.stop - span.start)
    small = await gateway(request).downloads.content(artifact)
    if small is not None:
        response = await send_bytes(request, small, span, headers)
        _offer_again(request, response, delivery, artifact, small)
        return response
    descriptor = job.open()
    try:
        response = await send_span(request, descriptor, span, headers)
        _offer_again(request, response, delivery, artifact, shape_of(os.fstat(descriptor)))
        return response
    finally:
        os.close(descriptor)


def _offer_again(
    request: web.Request,
    response: web.StreamResponse,
    delivery: Delivery,
    artifact: Artifact,
    source: bytes | tuple[int, ...],
) -> None:
    """Let the finished package be given again, its bytes or a file of this shape; see ``again``."""
    door, person = gateway(request), actor(request)
    if artifact.approval is not None or "id" not in request.match_info:
        return

    def opening() -> int:
        descriptor = delivery.job.open()
        if shape_of(os.fstat(descriptor)) != source:
            os.close(descriptor)
            raise SourceChanged(resource=artifact.id)
        return descriptor

    async def end(given: again.Given) -> None:
        under = replace(delivery, audit=given.token)
        await door.downloads.delivered_again(under, given.outcome, given.requests, given.sent, code=given.code)

    request.config_dict[again.AGAIN].offer(
        request,
        response,
        again.Offer(
            delivery.etag,
            artifact.size,
            source if isinstance(source, bytes) else None,
            opening,
            reopen_record(person, artifact.id, artifact),
            end,
            partial(door.downloads.artifacts.is_open_to, artifact, person),
        ),
    )


def _headers(delivery: Delivery) -> Mapping[str, str]:
    headers = {
        "Content-Type": delivery.job.codec.content_type,
        "Content-Disposition": attachment(delivery.job.package_name + delivery.job.codec.suffix),
        "ETag": delivery.etag,
        "X-Hfit-Package": delivery.package_id,
        "X-Hfit-Cache": "hit" if delivery.cached else "miss",
        "Cache-Control": "private, no-cache",
    }
    if delivery.job.artifact is not None:
        headers["X-Hfit-Digest"] = delivery.job.artifact.package_digest
    return headers


def _parameters(given: object) -> Given:
    if not isinstance(given, dict | list):
        raise BadRequest("parameters has to be an object or an array.", resource="parameters")
    return given
