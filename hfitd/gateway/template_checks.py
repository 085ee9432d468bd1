"""Kept templates held against the live catalogues and the policy, before the developer who needs one finds it broken.

1. A round looks at every template in the hands of its owner. It reads no row: names, rights, masks, types, estimates.
   What belongs to nobody who may log in is left out.
2. Of several instances one makes the rounds: who holds the lease. It ends with its holder, and the next one goes on.
3. A source that does not answer makes a template's status "unknown", never "broken".
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from hfitd.errors import ColumnUnclassified, HfitError, StoreUnavailable, Unavailable
from hfitd.export.review.desk import Reviews
from hfitd.model import Json
from hfitd.observe.events import ErrorRaised, TemplateBroken, TemplateFound, TemplatesChecked
from hfitd.observe.observer import Observer
from hfitd.store.interface import Store
from hfitd.store.keys import key_of
from hfitd.store.templates import StoredTemplate, Templates
from hfitd.store.users import Users

FIRST_SECONDS = 30.0  # after the start
ONE_SECONDS = 60.0  # for one template
LEASE = key_of("round", "template-check")
LEASE_ROUNDS = 1.5  # who holds it takes it again in time
MAX_SERIES = 500  # names in the metrics; of more, those that are not ok come first
SILENT = frozenset({"BUSY", "DB_UNAVAILABLE", "LOGIN_REFUSED", "QUERY_TIMEOUT", "STORE_UNAVAILABLE"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one template is today; ``code`` and ``where`` are those of its first problem."""

    owner: str
    name: str
    status: str  # "ok" | "unclassified" | "broken" | "unknown"
    code: str = ""
    where: str = ""

    def document(self) -> dict[str, Json]:
        """As the admin socket shows it."""
        return {"owner": self.owner, "name": self.name, "status": self.status, "code": self.code, "where": self.where}


@dataclass(frozen=True, slots=True)
class Round:
    """One look at all of them, and when it ended (seconds since 1970)."""

    at: float
    verdicts: tuple[Verdict, ...]

    def counts(self) -> dict[str, int]:
        """How many templates are of each status."""
        found = Counter(verdict.status for verdict in self.verdicts)
        return {status: found[status] for status in ("ok", "unclassified", "broken", "unknown")}


class TemplateChecks:
    """Makes rounds and keeps the last one; ``instance`` holds the lease."""

    def __init__(
        self,
        templates: Templates,
        users: Users,
        reviews: Reviews,
        *,
        store: Store,
        instance: str,
        observer: Observer,
    ) -> None:
        self._templates = templates
        self._users = users
        self._reviews = reviews
        self._store = store
        self._instance = instance
        self._observer = observer
        self.last: Round | None = None

    async def check(self) -> Round:
        """Look at all of them now; StoreUnavailable."""
        judged = [await self._judge(item) for item in await self._templates.every()]
        self.last = Round(time.time(), tuple(verdict for verdict in judged if verdict is not None))
        self._tell(self.last)
        return self.last

    async def keep_checking(self, every_seconds: float) -> None:
        """A round soon and then every so often, until cancelled; none at all with 0."""
        await asyncio.sleep(min(every_seconds, FIRST_SECONDS))
        while every_seconds:
            with contextlib.suppress(StoreUnavailable):  # the next round will tell
                if await self._store.acquire(LEASE, self._instance, every_seconds * LEASE_ROUNDS):  # 2
                    await self.check()
            await asyncio.sleep(every_seconds)

    async def _judge(self, item: StoredTemplate) -> Verdict | None:
        """1."""
        owner = await self._users.get(item.owner)
        text = await self._templates.version(item.digest)
        if owner is None or owner.disabled or text is None:
            return None
        try:
            async with asyncio.timeout(ONE_SECONDS):
                problems = await self._reviews.problems(text, item.owner, owner.roles)
        except (Unavailable, TimeoutError) as error:
            return Verdict(item.owner, item.name, "unknown", getattr(error, "code", "QUERY_TIMEOUT"))  # 3
        except HfitError as error:
            return Verdict(item.owner, item.name, "broken", error.code, error.resource or "")
        except Exception as error:  # noqa: BLE001 - one template must not end the rounds of all
            self._observer.event(ErrorRaised("INTERNAL", error))
            return Verdict(item.owner, item.name, "unknown", "INTERNAL")
        return _verdict(item, problems)

    def _tell(self, done: Round) -> None:
        self._observer.event(TemplatesChecked(**done.counts()))
        for verdict in sorted(done.verdicts, key=lambda verdict: verdict.status == "ok")[:MAX_SERIES]:
            self._observer.event(TemplateFound(verdict.name, verdict.status))
            if verdict.status in {"broken", "unclassified"}:
                self._observer.event(TemplateBroken(verdict.name, verdict.owner, verdict.code, verdict.where))


def _verdict(item: StoredTemplate, problems: Iterable[Json]) -> Verdict:
    """What the problems make of it; what is certainly wrong comes before what could not be asked."""
    found = [problem for problem in problems if isinstance(problem, dict)]
    certain = [problem for problem in found if problem["code"] not in SILENT]
    first = next(iter(certain or found), None)
    if first is None:
        return Verdict(item.owner, item.name, "ok")
    codes = {problem["code"] for problem in certain}
    status = "unknown" if not certain else "unclassified" if codes == {ColumnUnclassified().code} else "broken"
    return Verdict(item.owner, item.name, status, str(first["code"]), str(first["where"]))
