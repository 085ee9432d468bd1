"""Databases: providers, tables, and a table's columns with their masks; for data owners also why."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from aiohttp import web

from hfitd.errors import HfitError, NotFound
from hfitd.export.browse import describe_table, list_databases, list_providers, list_tables
from hfitd.export.oversight import (
    describe_classes,
    list_overseen_databases,
    list_overseen_providers,
    list_overseen_tables,
)
from hfitd.model import Json
from hfitd.web.console.rendering import render
from hfitd.web.context import actor, gateway

One = TypeVar("One")
Other = TypeVar("Other")


async def providers_page(request: web.Request) -> web.Response:
    """Every provider with its databases, or why they cannot be listed now."""
    sources, person = gateway(request).sources(), actor(request)
    names = sorted({*list_providers(sources, person), *list_overseen_providers(sources, person)})
    found = await asyncio.gather(*(_databases(request, name) for name in names), return_exceptions=True)
    unknown = [item for item in found if isinstance(item, BaseException) and not isinstance(item, HfitError)]
    if unknown:
        raise unknown[0]
    rows = [
        {"name": name, "databases": () if isinstance(item, BaseException) else item, "problem": _words(item)}
        for name, item in zip(names, found, strict=True)
    ]
    return render(request, "providers.html", {"providers": rows})


async def tables_page(request: web.Request) -> web.Response:
    """The tables of a database."""
    sources, person, info = gateway(request).sources(), actor(request), request.match_info
    provider, database = info["provider"], info["db"]
    tables = await _either(
        list_tables(sources, person, provider, database), list_overseen_tables(sources, person, provider, database)
    )
    shown = {"provider": provider, "database": database, "tables": sorted({*(tables[0] or ()), *(tables[1] or ())})}
    return render(request, "tables.html", shown)


async def table_page(request: web.Request) -> web.Response:
    """A table's columns, keys and masks; for who oversees it the rule behind each."""
    sources, person, info = gateway(request).sources(), actor(request), request.match_info
    place = (info["provider"], info["db"], info["table"])
    seen, classes = await _either(
        describe_table(sources, person, *place), describe_classes(sources, person, *place)
    )
    shown = {"provider": place[0], "database": place[1], "name": place[2], "table": seen, "classes": classes}
    return render(request, "table.html", shown)


async def _databases(request: web.Request, provider: str) -> list[str]:
    sources, person = gateway(request).sources(), actor(request)
    found = await _either(
        list_databases(sources, person, provider), list_overseen_databases(sources, person, provider)
    )
    return sorted({*(found[0] or ()), *(found[1] or ())})


async def _either(mine: Awaitable[One], overseen: Awaitable[Other]) -> tuple[One | None, Other | None]:
    """What somebody sees by either right; NotFound when by neither."""
    found: list[object] = []
    missing: NotFound | None = None
    for question in (mine, overseen):
        try:
            found.append(await question)
        except NotFound as error:
            missing = missing or error
            found.append(None)
    if found == [None, None] and missing is not None:
        raise missing
    return found[0], found[1]  # type: ignore[return-value]


def _words(item: list[str] | BaseException) -> Json:
    return item.message if isinstance(item, HfitError) else ""
