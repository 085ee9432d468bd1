"""``hfit pkg-tmpl approve`` and ``unapprove``."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import click

from hfit.commands.completions import complete_templates
from hfit.commands.nearest import nearest, template_look
from hfit.commands.root import HfitCommand
from hfit.commands.session import Session, current_session
from hfit.governance import Governance

name_argument = click.argument("name", shell_complete=complete_templates)


@click.command("approve", cls=HfitCommand)
@name_argument
@click.option("--allow", multiple=True, metavar="PARAM=LOW..HIGH", help="Also PARAM=A|B and PARAM~PATTERN; repeatable.")
@click.option("--max-rows", type=click.IntRange(1), default=None, help="At most this many rows in a package.")
@click.option("--max-bytes", default=None, metavar="SIZE", help="At most this much in a package, such as 20MB.")
@click.option("--for", "duration", default="30d", metavar="TIME", help="How long the approval holds. [30d]")
@click.option("--role", "roles", multiple=True, help="Read it in the hands of this role. [those of its owner]")
@click.option("--reason", default=None, help="Why; it is on the audit record.")
@click.option("--yes", is_flag=True, default=False, help="Do not ask.")
def approve(
    *,
    name: str,
    allow: tuple[str, ...],
    max_rows: int | None,
    max_bytes: str | None,
    duration: str,
    roles: tuple[str, ...],
    reason: str | None,
    yes: bool,
) -> None:
    """Approve a template of somebody else, after reading what it does.

    Prints what it would do, or what changed since the last approval; on a terminal it asks before it approves. What is
    approved is exactly that: another text, schema or policy, a parameter outside --allow, a larger package or a later
    day need another approval.
    """
    session = current_session()
    desk = Governance(session.gateway())
    with nearest(template_look(desk.gateway, name)):
        review = desk.read_review(name, roles)
    full = f"{review.get('owner')}:{review.get('name')}"
    _show_review(session, full, review)
    if sys.stdin.isatty() and not yes:
        click.confirm(f"Approve {full}?", abort=True, err=True)
    decision = {
        "template_digest": review.get("digest"),
        "plan_digest": review.get("plan_digest"),
        "allow": list(allow) or None,
        "max_rows": max_rows,
        "max_bytes": int(max_bytes) if max_bytes and max_bytes.isdigit() else max_bytes,
        "duration": duration,
        "roles": list(roles) or None,
        "reason": reason,
    }
    session.printer.fields(desk.approve(full, decision))


@click.command("unapprove", cls=HfitCommand)
@name_argument
@click.option("--reason", default="", help="Why; it is on the audit record.")
def unapprove(name: str, reason: str) -> None:
    """Withdraw the approval of a template; its reviewers and its owner may."""
    session = current_session()
    desk = Governance(session.gateway())
    with nearest(template_look(desk.gateway, name)):
        session.printer.fields(desk.unapprove(name, reason))


def _show_review(session: Session, full: str, review: Mapping[str, object]) -> None:
    """On standard error, for a person: the whole plan the first time, afterwards what changed."""
    note = session.printer.note
    roles, changes, last = review.get("roles"), review.get("changes"), review.get("last")
    note(f"{full}, read in the hands of: {', '.join(map(str, roles)) if isinstance(roles, list) else '-'}")
    if not isinstance(changes, dict) or not isinstance(last, dict):
        note("It was never approved. What it would do:")
        for line in _lines(review.get("plan")):
            note(f"  {line}")
        return
    note(f"Last approved by {last.get('approver')} at {last.get('approved')}. Since then:")
    text = str(changes.get("text") or "")
    for line in text.splitlines() or ["  The text is the same."]:
        note(line)
    for line in _lines(changes.get("plan")) or ["  What it does is the same."]:
        note(line)


def _lines(value: object) -> list[str]:
    return [str(line) for line in value] if isinstance(value, list) else []
