"""Rows of a statement as SQL, CSV or NDJSON, read by one connection or, of a large table without an order, by several.

1. COPY text goes through as it comes for SQL without masks; it is taken apart only where a mask or another form needs
   it.
2. A statement that says how a condition on the place of a row can be appended to it (``Select.further``), over a table
   of ``SPLIT_BYTES`` or more, is cut into runs of ``RUN_PAGES`` pages of that table, each a range of ``ctid``; the last
   has no end. Every connection of the snapshot's company takes the next run when it is done with its own. Together
   they are the rows that the statement has, each once, for all see the same snapshot.
3. Ranges of ``ctid`` are scanned, not sought, before PostgreSQL 14: there one connection reads all.
4. What several write is put together a chunk at a time; a chunk is whole rows.
5. Whether a connection may be told the key of a mask is a matter of its own settings, which can have been changed since
   the first one was opened: each that is to run such a statement is asked, and one that may not takes no part.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from hfitd.engines.interface import Format, Select
from hfitd.engines.postgres_company import Company
from hfitd.engines.postgres_copy import END, PROLOGUE, Lines, mask_lines, parse_lines
from hfitd.engines.postgres_dialect import PostgresDialect
from hfitd.engines.postgres_errors import Stage, translated
from hfitd.engines.postgres_json import CSV_OPTIONS, json_lines
from hfitd.engines.postgres_lane import Lane
from hfitd.engines.postgres_twins import may_serve
from hfitd.engines.rendering import Collector, Renderer, text_encoder
from hfitd.engines.shape import THREAD_BYTES, Shape
from hfitd.model import Receipt, Sink
from hfitd.sql import Sql, text

SPLIT_BYTES = 32 << 20
RUN_PAGES = 2048
_RANGES_SINCE = 14
_SIZE = """
SELECT pg_catalog.pg_relation_size(c.oid), pg_catalog.current_setting('block_size')::pg_catalog.int4
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind = 'r'
"""
Write = Callable[[bytes], Awaitable[None]]


async def render(company: Company, lane: Lane, select: Select, form: Format, sink: Sink) -> Receipt:
    """Every row of the statement to the sink. ``lane`` is one of the company, whose turn the caller has."""
    served, select = select.served, await _served(lane, select)
    if form is not Format.SQL:
        return await _render_text(lane, select, form, sink)
    out = Collector(sink)
    runs = await _runs(lane, select)
    await out.write(_head(select))
    if len(runs) == 1:
        rows = await _copy_sql(lane, select, out.write)
    else:
        async with company.several(lane, len(runs)) as lanes:
            fit = lanes
            if served is not None and select.served is None:  # 5
                others = [other for other in lanes[1:] if await may_serve(other.connection, secret=served.secret)]
                fit = [lane, *others]
            rows = await _side_by_side(fit, [select] if len(fit) == 1 else runs, out.write)
    await out.write(END)
    await out.flush()
    return Receipt(rows=rows, size=out.size)


async def _served(lane: Lane, select: Select) -> Select:
    """The statement in which the server computes masks, if there is one and it may be told their keys."""
    served = select.served
    if served is None or not await may_serve(lane.connection, secret=served.secret):
        return select
    return replace(select, sql=served.sql, outputs=served.outputs, served=None, columns=(), tail=Sql())


def _head(select: Select) -> bytes:
    names = [output.name for output in select.outputs if not output.hidden]
    columns = ", ".join(PostgresDialect().identifier(name) for name in names)
    target = f"{select.into} ({columns})" if columns else select.into
    return PROLOGUE + f"COPY {target} FROM stdin;\n".encode()


async def _runs(lane: Lane, select: Select) -> list[Select]:
    """2. The statement in parts; itself when it is not worth a part, or cannot be had in parts (3)."""
    if select.further is None or lane.connection.get_server_version().major < _RANGES_SINCE:
        return [select]
    table = select.further.table
    with translated(Stage.OWN):
        record = await lane.connection.fetchrow(_SIZE, table.schema, table.name)
    if record is None or record[0] < SPLIT_BYTES:
        return [select]
    places = range(0, record[0] // record[1], RUN_PAGES)
    return [_run(select, start, None if start == places[-1] else start + RUN_PAGES) for start in places]


def _run(select: Select, start: int, end: int | None) -> Select:
    assert select.further is not None
    place = f"{select.further.word}ctid >= '({int(start)},0)'"
    if end is not None:
        place += f" AND ctid < '({int(end)},0)'"
    return replace(select, sql=select.sql + text(place), further=None, columns=(), tail=Sql())


async def _side_by_side(lanes: Sequence[Lane], runs: Sequence[Select], write: Write) -> int:
    left, writing = deque(runs), asyncio.Lock()

    async def write_in_turn(chunk: bytes) -> None:  # 4
        async with writing:
            await write(chunk)

    async def work(lane: Lane) -> int:
        rows = 0
        while left:
            rows += await _copy_sql(lane, left.popleft(), write_in_turn)
        return rows

    try:
        async with asyncio.TaskGroup() as tasks:
            working = [tasks.create_task(work(lane)) for lane in lanes]
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    return sum(task.result() for task in working)


async def _copy_sql(lane: Lane, select: Select, write: Write) -> int:
    """The rows as COPY text (1); their number."""
    prepared = await lane.prepare(select, Stage.RUN)
    shape = Shape.of(select.outputs, prepared.types)
    lines = Lines()

    async def take(chunk: bytes) -> None:
        if not shape.is_raw:
            whole = lines.cut(chunk)
            heavy = len(chunk) >= THREAD_BYTES  # the loop has other work meanwhile
            chunk = await asyncio.to_thread(mask_lines, whole, shape) if heavy else mask_lines(whole, shape)
        await write(chunk)

    await lane.statements.set_binds(prepared)
    rows = await lane.copy(prepared.copy_text, take)
    await lane.statements.clear_binds(prepared)
    return rows


async def _render_text(lane: Lane, select: Select, form: Format, sink: Sink) -> Receipt:
    prepared = await lane.prepare(select, Stage.RUN)
    shape = Shape.of(select.outputs, prepared.types)
    await lane.statements.set_binds(prepared)
    lines_of_json = json_lines(prepared, shape) if form is Format.NDJSON else None
    if lines_of_json is not None:
        out = Collector(sink)
        receipt = Receipt(await lane.copy(lines_of_json, out.write, **CSV_OPTIONS), 0)
        await out.flush()
        receipt = replace(receipt, size=out.size)
    else:
        renderer = Renderer(shape, text_encoder(form, shape), sink)
        lines = Lines()

        async def take(chunk: bytes) -> None:
            await renderer.add(parse_lines(lines.cut(chunk), shape))

        await lane.copy(prepared.copy_text, take)
        receipt = await renderer.finish()
    await lane.statements.clear_binds(prepared)
    return receipt
