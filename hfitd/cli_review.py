"""The admin verbs of review: ``template``, ``request``, ``package``. Each speaks for the person of ``--as``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from hfitd.cli_admin import ask, place_options, say, show

CHECK_ALL_SECONDS = 3600.0
as_option = click.option("--as", "as_email", required=True, metavar="EMAIL", help="Whose decision it is.")
reason_option = click.option("--reason", default=None, help="Why; it is on the audit record.")
role_option = click.option("--role", "roles", multiple=True, help="In the hands of this role. [those of the owner]")


@click.group()
def template() -> None:
    """The templates that people keep, and their review."""


@template.command("list")
@place_options
def template_list(**place: Path | None) -> None:
    """List all templates with their approvals."""
    show(_ask(place, "template.list"))


@template.command("check")
@click.argument("name", metavar="[NAME|FILE]", required=False)
@click.option("--as", "as_email", default=None, metavar="EMAIL", help="For whom it is checked. [its owner]")
@role_option
@place_options
def template_check(name: str | None, as_email: str | None, roles: tuple[str, ...], **place: Path | None) -> None:
    """Check a template against the live databases and the policy; says every problem, exit 1 when there is one.

    Without a name all kept templates are checked, each for its owner. The daemon does so by itself, too: see
    `server.template_check` and the metric `hfit_template_status`.
    """
    if name is None:
        _check_all(place)
        return
    file = Path(name)
    text = _read_template(file) if file.is_file() else None
    stored = None if text else name
    found = _ask(place, "template.check", name=stored, text=text, roles=list(roles) or None, as_email=as_email)
    for problem in found["problems"]:
        say(f"{problem['where']}: {problem['message']} ({problem['code']})")
        for suggestion in problem["suggestions"]:
            say(f"  {suggestion}")
    if found["problems"]:
        sys.exit(1)
    click.echo(f"{name}: no problem.", err=True)


def _check_all(place: Mapping[str, Path | None]) -> None:
    """Print what is not as it should be; exit 1 when a template is broken or has unclassified columns."""
    verdicts = _ask(place, "template.check-all", seconds=CHECK_ALL_SECONDS)
    for verdict in verdicts:
        if verdict["status"] != "ok":
            where = f" at {verdict['where']}" if verdict["where"] else ""
            say(f"{verdict['owner']}:{verdict['name']}: {verdict['status']} ({verdict['code']}{where})")
    bad = sum(verdict["status"] in {"broken", "unclassified"} for verdict in verdicts)
    click.echo(f"{len(verdicts)} templates, {bad} with problems.", err=True)
    if bad:
        sys.exit(1)


@template.command("review")
@click.argument("name")
@as_option
@role_option
@place_options
def template_review(name: str, as_email: str, roles: tuple[str, ...], **place: Path | None) -> None:
    """Print what there is to approve: the text, the plan, and what changed since the last approval."""
    show(_ask(place, "template.review", name=name, roles=list(roles), as_email=as_email))


@template.command("approve")
@click.argument("name")
@as_option
@role_option
@click.option("--allow", multiple=True, metavar="PARAM=LOW..HIGH", help="Also PARAM=A|B and PARAM~PATTERN; repeatable.")
@click.option("--max-rows", type=click.IntRange(1), default=None, help="At most this many rows in a package.")
@click.option("--max-bytes", default=None, metavar="SIZE", help="At most this much, such as 20MB, in a package.")
@click.option("--for", "duration", default="30d", show_default=True, help="How long the approval holds.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@reason_option
@place_options
def template_approve(
    *,
    name: str,
    as_email: str,
    roles: tuple[str, ...],
    allow: tuple[str, ...],
    max_rows: int | None,
    max_bytes: str | None,
    duration: str,
    yes: bool,
    reason: str | None,
    **place: Path | None,
) -> None:
    """Approve a template, as a person with template.approve who neither owns nor edits it.

    Prints what it would do, or what changed since the last approval; on a terminal it asks before it approves.
    """
    review = _ask(place, "template.review", name=name, roles=list(roles), as_email=as_email)
    _print_review(review)
    if sys.stdin.isatty() and not yes:
        click.confirm(f"Approve {review['owner']}:{review['name']}?", abort=True, err=True)
    show(
        _ask(
            place,
            "template.approve",
            name=f"{review['owner']}:{review['name']}",
            roles=list(roles),
            allow=list(allow),
            max_rows=max_rows,
            max_bytes=int(max_bytes) if max_bytes and max_bytes.isdigit() else max_bytes,
            duration=duration,
            reason=reason,
            template_digest=review["digest"],
            plan_digest=review["plan_digest"],
            as_email=as_email,
        )
    )


@template.command("revoke")
@click.argument("name")
@as_option
@reason_option
@place_options
def template_revoke(name: str, as_email: str, reason: str | None, **place: Path | None) -> None:
    """Withdraw the approval of a template."""
    show(_ask(place, "template.revoke", name=name, reason=reason, as_email=as_email))


@click.group()
def request() -> None:
    """Access requests: roles and templates for a while."""


@request.command("list")
@place_options
def request_list(**place: Path | None) -> None:
    """List every request, the newest first."""
    show(_ask(place, "request.list"))


@request.command("show")
@click.argument("request_id", metavar="ID")
@place_options
def request_show(request_id: str, **place: Path | None) -> None:
    """Show one request."""
    show(_ask(place, "request.show", id=request_id))


@request.command("approve")
@click.argument("request_id", metavar="ID")
@as_option
@click.option("--for", "duration", default=None, help="For less than was asked for, such as 1h.")
@reason_option
@place_options
def request_approve(
    request_id: str, as_email: str, duration: str | None, reason: str | None, **place: Path | None
) -> None:
    """Lend what was asked for, from now on."""
    show(_ask(place, "request.approve", id=request_id, duration=duration, reason=reason, as_email=as_email))


@request.command("deny")
@click.argument("request_id", metavar="ID")
@as_option
@click.option("--reason", required=True, help="Why; the person who asked reads it.")
@place_options
def request_deny(request_id: str, as_email: str, reason: str, **place: Path | None) -> None:
    """Say no."""
    show(_ask(place, "request.deny", id=request_id, reason=reason, as_email=as_email))


@request.command("revoke")
@click.argument("request_id", metavar="ID")
@as_option
@reason_option
@place_options
def request_revoke(request_id: str, as_email: str, reason: str | None, **place: Path | None) -> None:
    """End a loan, within 5 seconds at every instance."""
    show(_ask(place, "request.revoke", id=request_id, reason=reason, as_email=as_email))


@request.command("review")
@click.argument("request_id", metavar="ID")
@as_option
@click.option("--note", required=True, help="What the review of the broken glass found.")
@place_options
def request_review(request_id: str, as_email: str, note: str, **place: Path | None) -> None:
    """Close the alarm of a broken glass."""
    show(_ask(place, "request.review", id=request_id, reason=note, as_email=as_email))


@click.group()
def package() -> None:
    """Packages that can still be fetched."""


@package.command("list")
@click.option("--email", default=None, help="Only those of this person.")
@place_options
def package_list(email: str | None, **place: Path | None) -> None:
    """List packages with the people who may fetch them again."""
    show(_ask(place, "package.list", email=email))


@package.command("revoke")
@click.argument("package_id", metavar="ID")
@reason_option
@place_options
def package_revoke(package_id: str, reason: str | None, **place: Path | None) -> None:
    """Take a package back: nobody can fetch it again; copies that people have are theirs to purge."""
    show(_ask(place, "package.revoke", id=package_id, reason=reason))


def _ask(place: Mapping[str, Path | None], command: str, *, as_email: str | None = None, **arguments: Any) -> Any:
    person = {} if as_email is None else {"as": as_email}
    return ask(place["config_path"], place["socket_path"], command, **arguments, **person)


def _print_review(review: Mapping[str, Any]) -> None:
    """For a person, on standard error: the whole plan the first time, then what changed."""
    changes, last = review["changes"], review["last"]
    lines = [f"{review['owner']}:{review['name']}, read in the hands of: {', '.join(review['roles'])}"]
    if changes is None:
        lines += ["It was never approved. What it would do:", *(f"  {line}" for line in review["plan"])]
    else:
        lines += [f"Last approved by {last['approver']} at {last['approved']}. Since then:"]
        lines += [changes["text"] or "  The text is the same.", *(changes["plan"] or ["  What it does is the same."])]
    for line in "\n".join(lines).split("\n"):
        say(line, err=True)


def _read_template(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        click.echo(f"{file.name} cannot be read.", err=True)
        sys.exit(2)
