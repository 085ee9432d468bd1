"""A folder of a volume as one archive."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator

from aiohttp import web

from hfitd.access.reservation import Reservation
from hfitd.errors import BadRequest
from hfitd.export.files import require_volume
from hfitd.export.package.codec import CODECS, Codec
from hfitd.export.record import actor_record
from hfitd.export.tree import Tree, select_tree, tree_record
from hfitd.export.tree_stream import TreeStream
from hfitd.model import Action
from hfitd.observe.events import FileSent
from hfitd.volumes.interface import ListingQuery
from hfitd.volumes.listing import parse_listing_query
from hfitd.web.context import actor, gateway
from hfitd.web.streams import attachment, bytes_left, head_response, on_record, send_chunks

OWN = ("recursive", "path", "compression")
FILTERS = ("name", "mtime", "size")


async def download_tree(request: web.Request) -> web.StreamResponse:
    """The readable files below ``path`` as a .tar.gz, .tar.zst or .tar with a seal at its end."""
    door, person, volume = gateway(request), actor(request), request.match_info["volume"]
    require_volume(door.sources(), person, volume, Action.FILES_READ)
    query, codec = _query(request)
    door.sources().rules.refuse_direct(person)
    await door.quotas.check(person)
    async with door.limits.package_slot(person):
        sources = door.sources()
        tree = await select_tree(sources, person, volume, query, door.config.limits.package_bytes)
        headers = _headers(tree, codec)
        if request.method == "HEAD":
            await door.audit.note(actor_record("files.head", person, (f"{volume}/{query.folder}",)), "done")
            return head_response(headers)
        await door.masked_files.prepare(sources, person, volume, tree.masks)
        stream = TreeStream(
            sources.volumes[volume], tree, codec, lambda path: door.masked_files.hold(sources, person, volume, path)
        )
        token = await door.audit.begin(await tree_record(person, tree))
        reservation = door.quotas.reserve(person)

        async def close(outcome: str, code: str) -> None:
            left = bytes_left(request)
            await reservation.settle(rows=0, size=left)
            door.observer.event(FileSent(tree.volume, left))
            digest = stream.digest.hexdigest() if outcome == "done" else ""
            counts = [tree.counted(left)] if outcome == "done" else []
            await door.audit.end(token, outcome, size=left, package_digest=digest, code=code, tables=counts)

        async with on_record(request, close), contextlib.aclosing(_held(stream, reservation)) as pieces:
            return await send_chunks(request, pieces, headers)


async def _held(stream: TreeStream, reservation: Reservation) -> AsyncGenerator[bytes, None]:
    """The archive, each piece set aside of the reader's day before it is given; RateLimited where that ends."""
    size = 0
    async with contextlib.aclosing(stream.read()) as pieces:
        async for piece in pieces:
            size += len(piece)
            await reservation.hold(size=size, growing=True)
            yield piece


def _headers(tree: Tree, codec: Codec) -> dict[str, str]:
    """The head. ``X-Hfit-Masked-Files`` says how many come masked."""
    return {
        "Content-Type": codec.content_type,
        "Content-Disposition": attachment(tree.name + codec.suffix),
        "Cache-Control": "no-store",
        "X-Hfit-Files": str(len(tree.paths)),
        "X-Hfit-Bytes": str(tree.size),
        "X-Hfit-Masked-Files": str(len(tree.masks)),
    }


def _query(request: web.Request) -> tuple[ListingQuery, Codec]:
    """Which files and how they are packed; BadRequest."""
    given = request.query
    unknown = [name for name in given if name not in OWN + FILTERS]
    if unknown:
        raise BadRequest("A folder is taken by path, with name, mtime and size as filters.", resource=unknown[0])
    if any(len(given.getall(name, [])) > 1 for name in OWN) or given["recursive"] != "1":
        raise BadRequest("recursive is 1; it, path and compression are given once.", resource="recursive")
    codec = CODECS.get(given.get("compression", "gzip"))
    if codec is None:
        raise BadRequest("compression is gzip, zstd or none.", resource="compression")
    folder = given.get("path", "").strip("/")
    pairs = [(name, value) for name, value in given.items() if name in FILTERS]
    return parse_listing_query([("folder", folder), *pairs], time.time()), codec
