"""``hfit web``."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import click

from hfit.commands.root import HfitCommand
from hfit.commands.session import current_session
from hfit.console import console_address, write_redirect


@click.command("web", cls=HfitCommand)
@click.option("--print", "only_print", is_flag=True, default=False, help="Print the address; open no browser.")
def web_command(only_print: bool) -> None:
    """Open the web console in a browser.

    The address works once, within a minute, for whoever has it. With --print, open it on the machine where you sit.
    """
    session = current_session()
    address = console_address(session.gateway())
    opened = not (only_print or session.printer.json) and _open(session.settings.config_dir, address)
    if session.printer.json:
        session.printer.document({"address": address})
    elif opened:
        session.printer.note("The console opens in your browser. If it does not: hfit web --print")
    else:
        session.printer.line(address)


def _open(config_dir: Path, address: str) -> bool:
    try:
        return webbrowser.open(write_redirect(config_dir, address).as_uri())
    except webbrowser.Error:
        return False
