"""Questions to the gateway's audit log, for people with the right ``audit.read``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hfit.answers import json_value
from hfit.documents.governance import AuditEntry
from hfit.documents.shapes import shaped
from hfit.gateway import Gateway
from hfit.streams import checked_lines, split_lines


@dataclass(frozen=True, slots=True)
class AuditQuestion:
    """What an entry has to be; empty fits all. ``about`` is a glob on ``PROVIDER/SCHEMA/TABLE``, ``SCHEMA.TABLE``,
    ``TABLE`` or ``VOLUME/PATH``; times are ``2026-01-31``, ``2026-01-31T12:00`` (UTC) or ``30d`` ago; ``package`` is an
    id or a digest."""

    about: str = ""
    email: str = ""
    action: str = ""
    since: str = ""
    until: str = ""
    package: str = ""
    raw: bool = False
    limit: int | None = None

    def query(self) -> dict[str, str]:
        """As the route takes it."""
        texts = {
            "object": self.about,
            "email": self.email,
            "action": self.action,
            "since": self.since,
            "until": self.until,
            "package": self.package,
            "raw": "1" if self.raw else "",
            "limit": "" if self.limit is None else str(self.limit),
        }
        return {name: value for name, value in texts.items() if value}


def search_audit(gateway: Gateway, question: AuditQuestion) -> Iterator[AuditEntry]:
    """Entries that fit, in the order in which they ended; the end record is checked. NotFound without the right."""
    with gateway.open("GET", "/audit", query=dict(question.query())) as response:
        for line in checked_lines(split_lines(response.chunks()), end_required=True):
            yield shaped(json_value(line), AuditEntry)
