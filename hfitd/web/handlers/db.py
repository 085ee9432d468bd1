"""Databases: listings, one table's shape, and its rows as a stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from aiohttp import web

from hfitd.engines.interface import Format
from hfitd.errors import BadRequest
from hfitd.export.browse import (
    describe_table,
    list_databases,
    list_providers,
    list_tables,
    read_catalog,
    visible_relation,
)
from hfitd.export.oversight import describe_classes
from hfitd.export.rows import RowsRequest
from hfitd.web.context import actor, gateway
from hfitd.web.streams import bytes_left, head_response, on_record, send_chunks

FORMS = {"application/x-ndjson": Format.NDJSON, "text/csv": Format.CSV}
TYPES = {form: name for name, form in FORMS.items()}
MAX_LIMIT = 10**12


async def dbmss(request: web.Request) -> web.Response:
    """Providers you may see something of."""
    return web.json_response(list_providers(gateway(request).sources(), actor(request)))


async def dbs(request: web.Request) -> web.Response:
    """Databases of a provider."""
    provider = request.match_info["provider"]
    return web.json_response(await list_databases(gateway(request).sources(), actor(request), provider))


async def tables(request: web.Request) -> web.Response:
    """Tables of a database, as every other command accepts them."""
    info = request.match_info
    door = gateway(request)
    return web.json_response(await list_tables(door.sources(), actor(request), info["provider"], info["db"]))


async def describe(request: web.Request) -> web.Response:
    """Columns, types, keys, foreign keys and masks of a table."""
    info = request.match_info
    door = gateway(request)
    document = await describe_table(door.sources(), actor(request), info["provider"], info["db"], info["table"])
    return web.json_response(document)


async def classes(request: web.Request) -> web.Response:
    """Of every column of a table its class in the policy and why, for who may read in the audit log who got it."""
    info = request.match_info
    door = gateway(request)
    found = await describe_classes(door.sources(), actor(request), info["provider"], info["db"], info["table"])
    return web.json_response(found)


async def rows(request: web.Request) -> web.StreamResponse:
    """Masked rows as NDJSON with an end record, or as CSV."""
    wanted = _rows_request(request)
    streams = gateway(request).row_streams
    stream = await streams.start(actor(request), wanted)
    headers = {"Content-Type": TYPES[wanted.form] + "; charset=utf-8", "Cache-Control": "no-store"}

    async def close(outcome: str, code: str) -> None:
        await streams.delivered(stream, outcome, bytes_left(request), code)

    async with on_record(request, close, lambda: stream.job.error):
        with stream.job.reading():
            return await send_chunks(request, await _begun(stream.read()), headers)


async def _begun(pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """The same pieces; the first is there already, so that what shows with it can still be refused with a status."""
    first = await anext(pieces, b"")

    async def go_on() -> AsyncGenerator[bytes, None]:
        yield first
        async for piece in pieces:
            yield piece

    return go_on()


async def rows_exist(request: web.Request) -> web.Response:
    """HEAD: whether there is such a table for you."""
    wanted = _rows_request(request)
    sources = gateway(request).sources()
    catalog = await read_catalog(sources, actor(request), wanted.provider, wanted.database)
    visible_relation(sources, actor(request), wanted.provider, catalog, wanted.table)
    return head_response({"Content-Type": TYPES[wanted.form] + "; charset=utf-8"})


def _rows_request(request: web.Request) -> RowsRequest:
    unknown = set(request.query) - {"filter", "order", "limit"}
    if unknown:
        raise BadRequest("The query takes filter, order and limit.", resource=sorted(unknown)[0])
    info, query = request.match_info, request.query
    limit = query.get("limit", "")
    if limit and not (limit.isascii() and limit.isdigit() and int(limit) <= MAX_LIMIT):
        raise BadRequest("limit has to be a whole number.", resource="limit")
    return RowsRequest(
        info["provider"],
        info["db"],
        info["table"],
        _form(request),
        query.get("filter", ""),
        query.get("order", ""),
        int(limit) if limit else None,
    )


def _form(request: web.Request) -> Format:
    accepted = [part.partition(";")[0].strip() for part in request.headers.get("Accept", "*/*").split(",")]
    for name in accepted:
        if name in FORMS:
            return FORMS[name]
    if {"*/*", "application/*"} & set(accepted):
        return Format.NDJSON
    raise BadRequest("Accept application/x-ndjson or text/csv.")
