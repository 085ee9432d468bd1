"""The listing filters of contract section 2, from the command's form and from the URL's.

``name:GLOB`` (several are alternatives), ``mtime:N`` (newer than N days; negative: older), ``size:>N | <N | N`` (units
as ``10MB``), ``folder:PATH``, ``sort:FIELD:asc|desc``. BadRequest names the filter that is not one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from hfitd.config.fields import parse_size
from hfitd.errors import BadRequest
from hfitd.volumes.interface import ListingQuery
from hfitd.volumes.paths import split_path

FIELDS = ("mtime", "size", "name", "path")
NAMES = ("name", "mtime", "size", "folder", "sort")
DAY_SECONDS = 86400
MAX_FILTERS = 32
MAX_GLOB = 1024
MAX_DAYS = 1_000_000


def parse_listing(filters: Sequence[str], now: float) -> ListingQuery:
    """The query of several ``KIND:VALUE`` filters; ``now`` is unix seconds, ``mtime:`` counts from it."""
    pairs = []
    for text in filters:
        kind, colon, value = text.partition(":")
        if not colon or kind not in NAMES or not value:
            raise refuse(text, f"a filter is one of {', '.join(name + ':' for name in NAMES)} and a value")
        pairs.append((kind, value))
    return build_query(pairs, now)


def parse_listing_query(pairs: Iterable[tuple[str, str]], now: float) -> ListingQuery:
    """The query of a URL's parameters, several of one name allowed (``request.query.items()``); empty ones count as
    absent, unknown ones are refused."""
    given = list(pairs)
    for kind, _ in given:
        if kind not in NAMES:
            raise refuse(kind, f"a filter is one of {', '.join(NAMES)}")
    return build_query([(kind, value) for kind, value in given if value], now)


def build_query(pairs: Sequence[tuple[str, str]], now: float) -> ListingQuery:
    """All conditions together; a condition that can be given once only is refused the second time."""
    if len(pairs) > MAX_FILTERS:
        raise BadRequest(f"There are more than {MAX_FILTERS} filters.")
    query = ListingQuery()
    seen: set[str] = set()
    for kind, value in pairs:
        if kind in seen and kind in ("folder", "sort"):
            raise refuse(f"{kind}:{value}", f"{kind}: can be given once only")
        seen.add(kind)
        query = add_filter(query, kind, value, now)
    return query


def add_filter(query: ListingQuery, kind: str, value: str, now: float) -> ListingQuery:
    """The query with one more condition."""
    if kind == "name":
        if len(value) > MAX_GLOB or "/" in value or "\0" in value:
            raise refuse(f"name:{value[:80]}", "a glob is matched against base names: at most 1024 characters, no /")
        return replace(query, name_globs=(*query.name_globs, value))
    if kind == "mtime":
        return add_mtime(query, value, now)
    if kind == "size":
        return add_size(query, value)
    if kind == "folder":
        folder = value.rstrip("/")
        split_path(folder)
        return replace(query, folder=folder)
    field, direction = parse_sort(value)
    return replace(query, sort_field=field, descending=direction == "desc")


def add_mtime(query: ListingQuery, value: str, now: float) -> ListingQuery:
    """Newer than N days; a negative N is older than that."""
    if not re.fullmatch(r"-?[0-9]{1,7}(\.[0-9]{1,6})?", value) or abs(float(value)) > MAX_DAYS:
        raise refuse(f"mtime:{value}", "mtime: takes a number of days, negative for older")
    moment = now - abs(float(value)) * DAY_SECONDS
    if value.startswith("-"):
        limits = [moment] if query.older_than is None else [moment, query.older_than]
        return replace(query, older_than=min(limits))
    limits = [moment] if query.newer_than is None else [moment, query.newer_than]
    return replace(query, newer_than=max(limits))


def add_size(query: ListingQuery, value: str) -> ListingQuery:
    """Larger, smaller or exactly."""
    size = parse_size(value.lstrip("<>"))
    if size is None or len(value) - len(value.lstrip("<>")) > 1:
        raise refuse(f"size:{value}", "size: takes >N, <N or N, with KB, MB, GB or TB if wanted")
    if value.startswith(">"):
        return replace(query, min_size=max(size, query.min_size if query.min_size is not None else size))
    if value.startswith("<"):
        return replace(query, max_size=min(size, query.max_size if query.max_size is not None else size))
    if query.exact_size not in (None, size):
        raise refuse(f"size:{value}", "two exact sizes cannot both hold")
    return replace(query, exact_size=size)


def parse_sort(value: str, separator: str = ":") -> tuple[str, str]:
    """Field and direction; ``|`` is the separator inside templates. BadRequest for anything else."""
    field, found, direction = value.partition(separator)
    if field not in FIELDS or (found and direction not in ("asc", "desc")):
        raise refuse(f"sort:{value}", f"sort takes one of {', '.join(FIELDS)}, then {separator}asc or {separator}desc")
    return field, direction or "asc"


def refuse(text: str, why: str) -> BadRequest:
    """The error that names a filter."""
    shown = "".join(char if char.isprintable() else "?" for char in text[:120])
    return BadRequest(f'The filter "{shown}" is not valid: {why}.', resource=shown)
