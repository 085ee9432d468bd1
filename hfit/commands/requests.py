"""``hfit request``: a role or a template for a while."""

from __future__ import annotations

from collections.abc import Mapping

import click

from hfit.commands.root import HfitCommand
from hfit.commands.session import current_session
from hfit.governance import Governance

id_argument = click.argument("request_id", metavar="ID")
_COLUMNS = ("id", "state", "email", "name", "reason", "ends")


class RequestGroup(click.Group):
    """``hfit request NAME`` is ``hfit request new NAME``."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """A first word that is no verb is the name of what is asked for."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["new", *args]
        return super().resolve_command(ctx, args)


@click.group("request", cls=RequestGroup)
def request_command() -> None:
    """Ask for a role or a template for a while, and answer such requests.

    \b
    hfit request support-data --reason "Ticket 4711: wrong invoice" --for 4h
    hfit request approve 3f2a91c07d5e8b64
    """


@request_command.command("new", cls=HfitCommand)
@click.argument("name")
@click.option("--reason", required=True, help="Why you need it; whoever answers reads it.")
@click.option("--for", "duration", default=None, metavar="TIME", help="For how long. [4h, or less]")
@click.option("--ticket", default=None, help="The ticket it is about.")
@click.option("--break-glass", is_flag=True, default=False, help="Take it now; another person reviews it afterwards.")
def new(name: str, reason: str, duration: str | None, ticket: str | None, break_glass: bool) -> None:
    """Ask for a role, or for the right to run a template: hfit request NAME ..."""
    session = current_session()
    wish = {"name": name, "reason": reason, "duration": duration, "ticket": ticket, "break_glass": break_glass or None}
    made = Governance(session.gateway()).request(wish)
    session.printer.fields(_short(made) if not session.printer.json else made)
    if break_glass:
        session.printer.warn("You broke the glass: this is on record, and another person will review it.")
    else:
        session.printer.note(f"It waits for an answer: hfit request show {made.get('id')}")


@request_command.command("list", cls=HfitCommand)
@click.option("--state", default=None, help="Only those in this state, such as pending or granted.")
def list_requests(state: str | None) -> None:
    """List your requests and those you may answer."""
    session = current_session()
    found = Governance(session.gateway()).requests()
    chosen = [item for item in found if state is None or item.get("state") == state]
    if session.printer.json:
        session.printer.document(chosen)
        return
    session.printer.table(_COLUMNS, [[item.get(column) for column in _COLUMNS] for item in chosen])


@request_command.command("show", cls=HfitCommand)
@id_argument
def show(request_id: str) -> None:
    """Show one request."""
    session = current_session()
    session.printer.fields(Governance(session.gateway()).show_request(request_id))


@request_command.command("approve", cls=HfitCommand)
@id_argument
@click.option("--for", "duration", default=None, metavar="TIME", help="For less than was asked for.")
@click.option("--reason", default=None, help="Why; it is on the audit record.")
def approve(request_id: str, duration: str | None, reason: str | None) -> None:
    """Lend what somebody else asked for, from now on."""
    _answer(request_id, "approve", {"duration": duration, "reason": reason})


@request_command.command("deny", cls=HfitCommand)
@id_argument
@click.option("--reason", required=True, help="Why; the person who asked reads it.")
def deny(request_id: str, reason: str) -> None:
    """Say no."""
    _answer(request_id, "deny", {"reason": reason})


@request_command.command("revoke", cls=HfitCommand)
@id_argument
@click.option("--reason", default=None, help="Why; it is on the audit record.")
def revoke(request_id: str, reason: str | None) -> None:
    """End a loan, or take back a request of yours."""
    _answer(request_id, "revoke", {"reason": reason})


@request_command.command("review", cls=HfitCommand)
@id_argument
@click.option("--note", required=True, help="What the review found.")
def review(request_id: str, note: str) -> None:
    """Review a broken glass that was somebody else's."""
    _answer(request_id, "review", {"note": note})


def _answer(request_id: str, verb: str, body: Mapping[str, object]) -> None:
    session = current_session()
    answered = Governance(session.gateway()).answer(request_id, verb, body)
    session.printer.fields(answered if session.printer.json else _short(answered))


def _short(request: Mapping[str, object]) -> dict[str, object]:
    """What a person wants to see at once: nothing that is not there yet."""
    return {name: value for name, value in request.items() if value not in (None, "", False)}
