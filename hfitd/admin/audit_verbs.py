"""The admin verbs of the audit log: its newest records, and questions to it, a page at a time."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from hfitd.audit.search import Question, parse_moment, search_audit
from hfitd.audit.tail import newest_records
from hfitd.model import Json

MAX_TAIL = 1000
MAX_PAGE = 500


async def tail_audit(folder: Path, arguments: Mapping[str, Json]) -> Json:
    """The newest records, oldest first."""
    limit = _limit(arguments, 20, MAX_TAIL)
    email = str(arguments.get("email") or "")
    records = await asyncio.to_thread(newest_records, folder, limit, email=email)
    return cast(Json, records)


async def search_page(folder: Path, arguments: Mapping[str, Json]) -> Json:
    """Entries after the cursor ``after``, and the cursor of the last; an empty cursor says that there are no more."""
    limit, now = _limit(arguments, MAX_PAGE, MAX_PAGE), datetime.now(UTC)
    given = {name: str(arguments.get(name) or "") for name in ("email", "action", "package", "after")}
    about = str(arguments.get("object") or "")
    times = {name: parse_moment(str(arguments[name]), now) for name in ("since", "until") if arguments.get(name)}
    question = Question(about=about, raw=bool(arguments.get("raw")), **given, **times)
    page = await asyncio.to_thread(lambda: list(itertools.islice(search_audit(folder, question), limit)))
    entries = cast(Json, [entry.fields for entry in page])
    return {"entries": entries, "after": page[-1].cursor if len(page) == limit else ""}


def _limit(arguments: Mapping[str, Json], default: int, most: int) -> int:
    limit = arguments.get("limit")
    return min(max(limit, 1), most) if isinstance(limit, int) else default
