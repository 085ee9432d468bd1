"""Volumes: names, listings, one file or the best match."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from aiohttp import web

from hfitd.access.reservation import Reservation
from hfitd.audit.log import AuditToken
from hfitd.audit.record import AuditRecord
from hfitd.errors import BadRequest, NotFound, SourceChanged
from hfitd.export.files import OpenedFile, find_best, list_lines, list_volumes, open_file, require_volume
from hfitd.export.masked_files import Served, etag_of
from hfitd.export.record import actor_record, file_record
from hfitd.model import Action
from hfitd.observe.events import FileSent
from hfitd.volumes.interface import ListingQuery, OpenFile
from hfitd.volumes.listing import parse_listing_query
from hfitd.volumes.paths import shown_raw_path
from hfitd.web.again import AGAIN, Given, Offer
from hfitd.web.context import SENT, actor, gateway
from hfitd.web.handlers.trees import download_tree
from hfitd.web.ranges import wanted_span
from hfitd.web.streams import attachment, bytes_left, head_response, on_record, send_chunks, send_span

WANT_DIGEST = "Want-Repr-Digest"
NDJSON = {"Content-Type": "application/x-ndjson; charset=utf-8", "Cache-Control": "no-store"}


async def volumes(request: web.Request) -> web.Response:
    """Volumes you may look into."""
    return web.json_response(list_volumes(gateway(request).sources(), actor(request)))


async def files(request: web.Request) -> web.StreamResponse:
    """Files of a volume, one JSON object a line."""
    door, volume = gateway(request), request.match_info["volume"]
    require_volume(door.sources(), actor(request), volume, Action.FILES_LIST)
    query = _query(request)
    token = await door.audit.begin(actor_record(Action.FILES_LIST.value, actor(request), (volume,)))
    async with (
        on_record(request, lambda outcome, code: door.audit.end(token, outcome, code=code)),
        aclosing(list_lines(door.sources(), actor(request), volume, query)) as pieces,
    ):
        first = await anext(pieces, b"")  # a folder that is not there can still be refused
        return await send_chunks(request, _pieces(first, pieces), NDJSON)


async def download_file(request: web.Request) -> web.StreamResponse:
    """One file by path, or the first that the filters select, whole or a range; with ``recursive=1`` a folder."""
    if "recursive" in request.query:
        return await download_tree(request)
    door, volume = gateway(request), request.match_info["volume"]
    require_volume(door.sources(), actor(request), volume, Action.FILES_READ)
    path, raw_path = await _asked_file(request, volume)
    if not door.sources().policy.may(actor(request), Action.FILES_READ, f"{volume}/{path}"):
        raise NotFound("There is no such file in this volume.", resource=volume)
    door.sources().rules.refuse_direct(actor(request))  # the head alone would tell a file's digest
    await door.quotas.check(actor(request))
    async with open_file(door.sources(), actor(request), volume, path, raw_path) as opened:
        asked = file_record(actor(request), volume, path, opened, _tells(request))
        async with _delivery(request, asked) as reservation:
            etag = f'"{etag_of(opened)}"'
            if request.headers.get("If-None-Match") == etag:
                return head_response({"ETag": etag}, status=304)
            async with door.masked_files.open(opened, actor(request), volume, path, raw_path) as served:
                response = await _answer(request, opened, served, etag, reservation)
                if opened.file.masking is None and "path" in request.query and SENT in request:
                    _offer_again(request, response, asked, path, opened.file)
                return response


def _tells(request: web.Request) -> str:
    """What an answer tells of the file: its content, by a digest too, or only what a listing says of it."""
    return "data" if request.method != "HEAD" or WANT_DIGEST in request.headers else "head"


@asynccontextmanager
async def _delivery(request: web.Request, record: AuditRecord) -> AsyncIterator[Reservation]:
    """One answer about a file, on record from before anything is told until it has left, and counted."""
    door = gateway(request)
    token = await door.audit.begin(record)
    reservation = door.quotas.reserve(actor(request))
    async with on_record(request, lambda outcome, code: _close(request, token, reservation, outcome, code)):
        yield reservation


def _offer_again(
    request: web.Request, response: web.StreamResponse, asked: AuditRecord, path: str, file: OpenFile
) -> None:
    """Let the file be given again while it is what it was; see ``again``."""
    door, volume, shape = gateway(request), request.match_info["volume"], file.shape
    folder = door.sources().volumes[volume]

    def opening() -> int:
        held = folder.hold(path)
        if held.masking is not None or held.shape != shape:
            held.close()
            raise SourceChanged(resource=volume)
        return held.fileno()

    async def end(given: Given) -> None:
        door.observer.event(FileSent(volume, given.sent))
        await door.audit.end(given.token, given.outcome, size=given.sent, code=given.code, requests=given.requests)

    offer = Offer(response.headers["ETag"], file.entry.size, None, opening, asked, end)
    request.config_dict[AGAIN].offer(request, response, offer)


async def _asked_file(request: web.Request, volume: str) -> tuple[str, str]:
    """The path of the file, and its base64 form when that is what names it."""
    given = [name for name in ("path", "raw_path") if name in request.query]
    if not given:
        best = await find_best(gateway(request).sources(), actor(request), volume, _query(request))
        return best.path, best.raw_path
    if len(request.query) > 1:
        raise BadRequest("Give a path or filters, not both.", resource=given[0])
    if given == ["path"]:
        return request.query["path"].removeprefix("/"), ""  # as in VOLUME:/PATH
    return shown_raw_path(request.query["raw_path"]), request.query["raw_path"]


async def _headers(request: web.Request, opened: OpenedFile, served: Served, etag: str) -> dict[str, str]:
    """The head of a download. ``X-Hfit-Masked`` says which parts are masked, and how many lines are left out."""
    entry = served.file.entry
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Disposition": attachment(entry.name),
        "ETag": etag,
        "X-Hfit-Path": json.dumps(entry.path),
        "Last-Modified": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(entry.modtime)),
    }
    if opened.masking is not None:
        headers["X-Hfit-Masked"] = json.dumps({"masks": dict(opened.masks), "dropped_lines": served.dropped})
    if WANT_DIGEST in request.headers:
        headers["Repr-Digest"] = await gateway(request).file_digests.header(served.file)
    return headers


async def _answer(
    request: web.Request, opened: OpenedFile, served: Served, etag: str, reservation: Reservation
) -> web.StreamResponse:
    """The head, or the file or the range that is asked for."""
    size = served.file.entry.size
    if request.method == "HEAD":
        return head_response({**await _headers(request, opened, served, etag), "Accept-Ranges": "bytes"}, size)
    span = wanted_span(request, size, etag)
    await reservation.hold(size=span.stop - span.start)
    return await send_span(request, served.file.fileno(), span, await _headers(request, opened, served, etag))


async def _close(request: web.Request, token: AuditToken, reservation: Reservation, outcome: str, code: str) -> None:
    """End the record of a download and count what has left."""
    door, left = gateway(request), bytes_left(request)
    if left or SENT in request:
        door.observer.event(FileSent(request.match_info["volume"], left))
    await reservation.settle(rows=0, size=left)
    await door.audit.end(token, outcome, size=left, code=code)


async def file_head(request: web.Request) -> web.StreamResponse:
    """The head of a file, without its body."""
    return await download_file(request)


async def _pieces(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


def _query(request: web.Request) -> ListingQuery:
    pairs = [(name, value) for name, value in request.query.items() if name != "path"]
    return parse_listing_query(pairs, time.time())
