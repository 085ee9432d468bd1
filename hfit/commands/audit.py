"""``hfit audit``: who got what, for people with the right ``audit.read``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import click

from hfit.audit_search import AuditQuestion, search_audit
from hfit.commands.root import HfitCommand
from hfit.commands.session import current_session

COLUMNS = ("time", "email", "action", "objects", "raw", "rows", "bytes", "outcome", "package_digest")


@click.group("audit")
def audit_command() -> None:
    """Read the audit log: who got what. Needs the right audit.read."""


@audit_command.command("search", cls=HfitCommand)
@click.option(
    "--table", "--object", "about", default="", metavar="GLOB", help="PROVIDER/SCHEMA/TABLE, SCHEMA.TABLE or TABLE."
)
@click.option("--email", default="", help="Only of this person.")
@click.option("--action", default="", metavar="GLOB", help="Such as package or rows.")
@click.option("--since", default="", metavar="TIME", help="2026-01-31, 2026-01-31T12:00 (UTC) or 30d, 12h, 90m ago.")
@click.option("--until", default="", metavar="TIME", help="Before this time.")
@click.option("--raw", is_flag=True, help="Only where columns were given without their mask.")
@click.option("--package", default="", metavar="DIGEST", help="An id or a digest of a package.")
@click.option("--limit", type=click.IntRange(min=1), default=None, help="At most this many.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", help="How to print. [table]")
def search(about: str, raw: bool, limit: int | None, form: str, **filters: str) -> None:
    """Who got what, one operation a line, in the order in which they ended.

    "Who got rows of customer last month, with which columns raw": hfit audit search --table customer --since 30d
    """
    session = current_session()
    entries = search_audit(session.gateway(), AuditQuestion(about=about, raw=raw, limit=limit, **filters))
    if form == "json" or session.printer.json:
        for entry in entries:
            session.printer.json_line(entry)
        return
    session.printer.table(COLUMNS, _rows(entries))


def _rows(entries: Iterator[Mapping[str, object]]) -> Iterator[list[object]]:
    for entry in entries:
        yield [_cell(name, entry.get(name)) for name in COLUMNS]


def _cell(name: str, value: object) -> object:
    if isinstance(value, Mapping):  # a long list, shortened
        beginning = value.get("beginning")
        value = [*beginning, "..."] if isinstance(beginning, list) else []
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)[:12] if name == "package_digest" and value else value
