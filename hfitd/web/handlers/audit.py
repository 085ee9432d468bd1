"""The audit log for people with ``audit.read``: who got what, when, with which columns raw.

1. Without any grant of ``audit.read`` the route does not exist (NotFound, as for an unknown path).
2. An entry is shown when ``audit.read`` covers every object of it; one without objects (a login, an admin's word), or
   with more than its record holds, when nothing is denied and everything covered.
3. Reading is on record itself, before the first entry leaves.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime

from aiohttp import web

from hfitd.audit.log import AuditToken
from hfitd.audit.search import Entry, Question, is_shortened, parse_moment, search_audit
from hfitd.errors import BadRequest, NotFound
from hfitd.export.record import actor_record
from hfitd.model import Action
from hfitd.web.context import actor, gateway
from hfitd.web.streams import bytes_left, on_record, send_chunks

NDJSON = {"Content-Type": "application/x-ndjson; charset=utf-8", "Cache-Control": "no-store"}
TEXTS = {"object": "about", "email": "email", "action": "action", "package": "package", "after": "after",
         "before": "before"}  # fmt: skip
BATCH = 200
EVERYTHING = "audit"


async def search(request: web.Request) -> web.StreamResponse:
    """Entries of the audit log, oldest end first, one JSON object a line, then an end record."""
    door = gateway(request)
    require_reader(request)
    question, limit = read_question(request)
    token = await begin_reading(request)
    found = itertools.islice(visible_entries(request, question), limit)
    count = itertools.count()

    async def close(outcome: str, code: str) -> None:
        await door.audit.end(token, outcome, rows=next(count), size=bytes_left(request), code=code)

    async with on_record(request, close):
        first = await asyncio.to_thread(_take, found)
        return await send_chunks(request, _lines(first, found, count), NDJSON)


def require_reader(request: web.Request) -> None:
    """1."""
    if not gateway(request).sources().policy.may_enter(actor(request), Action.AUDIT_READ):
        raise NotFound


async def begin_reading(request: web.Request) -> AuditToken:
    """3: put on record who asks what."""
    record = actor_record(Action.AUDIT_READ.value, actor(request))
    return await gateway(request).audit.begin(replace(record, details=dict(request.query)))


def read_question(request: web.Request) -> tuple[Question, int | None]:
    """The question of the query, and at most how many entries; BadRequest."""
    query = request.query
    unknown = set(query) - {*TEXTS, "since", "until", "raw", "limit"}
    if unknown or len(query) != len(set(query)):
        raise BadRequest(
            "The query takes object, email, action, since, until, raw, package, limit, after and before, each once.",
            resource=sorted(unknown or set(query))[0],
        )
    limit, raw, now = query.get("limit", ""), query.get("raw", "0"), datetime.now(UTC)
    if limit and not (limit.isascii() and limit.isdigit() and len(limit) < 16):
        raise BadRequest("limit has to be a whole number.", resource="limit")
    if raw not in {"0", "1"}:
        raise BadRequest("raw is 1 or 0.", resource="raw")
    since, until = (parse_moment(query[name], now) if query.get(name) else "" for name in ("since", "until"))
    texts = {field: query.get(name, "") for name, field in TEXTS.items()}
    return Question(since=since, until=until, raw=raw == "1", **texts), int(limit) if limit else None


def visible_entries(request: web.Request, question: Question) -> Iterator[Entry]:
    """2; blocks."""
    door, person = gateway(request), actor(request)
    policy = door.sources().policy
    denied = any(grant.deny and grant.action is Action.AUDIT_READ for grant in policy.grants_of(person))
    for entry in search_audit(door.audit.folder, question):
        objects = entry.fields.get("objects")
        names = [str(name) for name in objects] if isinstance(objects, list) else []
        hidden = denied and is_shortened(objects)
        if not hidden and all(policy.may(person, Action.AUDIT_READ, name) for name in names or [EVERYTHING]):
            yield entry


def _take(found: Iterator[Entry]) -> list[Entry]:
    return list(itertools.islice(found, BATCH))


async def _lines(batch: list[Entry], rest: Iterator[Entry], count: Iterator[int]) -> AsyncIterator[bytes]:
    digest, rows = hashlib.sha256(), 0
    while batch:
        entries = ({**entry.fields, "cursor": entry.cursor} if entry.cursor else entry.fields for entry in batch)
        data = "".join(json.dumps(entry) + "\n" for entry in entries).encode()
        digest.update(data)
        for _ in batch:
            rows = next(count) + 1
        yield data
        batch = await asyncio.to_thread(_take, rest)
    yield json.dumps({"_end": {"rows": rows, "sha256": digest.hexdigest()}}).encode() + b"\n"
