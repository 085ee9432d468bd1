"""``hfit login``, ``logout``, ``whoami``."""

from __future__ import annotations

import click

from hfit.commands.root import HfitCommand
from hfit.commands.session import current_session


@click.command("login", cls=HfitCommand)
@click.option("--email", default=None, help="Who you are there. [HFIT_EMAIL, config email]")
@click.option("--private-key", "private_key", default=None, metavar="PATH", help="SSH private key to log in with.")
def login_command(email: str | None, private_key: str | None) -> None:
    """Log in with an SSH key.

    Without --private-key (or private-key-path in the settings) the keys of ssh-agent are tried, then ~/.ssh/id_ed25519,
    id_ecdsa and id_rsa. The passphrase is asked for on the terminal, or taken from HFIT_KEY_PASSPHRASE.
    """
    session = current_session(email=email, **{"private-key-path": private_key})
    gateway = session.gateway()
    token, key_origin, learned = gateway.login()
    for fingerprint in learned:
        session.printer.note(f"Pinned the package key {fingerprint} of {gateway.origin}.")
        session.printer.note("Compare it once with what the operator sees: hfitd key show")
    session.printer.note(f"Logged in to {gateway.origin} as {token.email} with {token.fingerprint} ({key_origin}).")
    if session.printer.json:
        document = {"server": gateway.origin, "email": token.email, "key_fingerprint": token.fingerprint}
        session.printer.document({**document, "pinned": list(learned)})


@click.command("logout", cls=HfitCommand)
def logout_command() -> None:
    """Give the token back and forget it."""
    session = current_session()
    was_in = session.gateway().logout()
    session.printer.note("Logged out." if was_in else "You were not logged in.")
    if session.printer.json:
        session.printer.document({"logged_out": was_in})


@click.command("whoami", cls=HfitCommand)
def whoami_command() -> None:
    """Say who you are for the server, and which roles you have."""
    session = current_session()
    person = session.gateway().whoami()
    loans = [f"{loan['role']} until {loan['ends']}" for loan in person["loans"]]
    session.printer.fields(person if session.printer.json else {**person, "loans": loans})
