"""``hfit config``: settings and where they come from."""

from __future__ import annotations

import click

from hfit.commands.root import HfitCommand
from hfit.commands.session import current_session
from hfit.errors import NotFound
from hfit.settings import KEYS, check_key, config_path, environment_name, write_setting


@click.group("config")
def config_command() -> None:
    """Show and change settings."""


@config_command.command("show", cls=HfitCommand)
def show() -> None:
    """Show every setting, its value and where that comes from."""
    session = current_session()
    values = session.settings.values
    if session.printer.json:
        rows = {key: {"value": item.value, "source": item.source} for key, item in values.items()}
        session.printer.document({"config-dir": str(session.settings.config_dir), "settings": rows})
        return
    session.printer.line(f"Settings file: {config_path(session.settings.config_dir)}")
    table = [[key, values[key].value, values[key].source] if key in values else [key, "-", "-"] for key in KEYS]
    session.printer.table(["setting", "value", "from"], table)


@config_command.command("list", cls=HfitCommand)
def list_settings() -> None:
    """List the settings there are, and what each is for."""
    session = current_session()
    if session.printer.json:
        session.printer.document([{"key": key, "env": environment_name(key), "help": KEYS[key]} for key in KEYS])
        return
    for key, words in KEYS.items():
        session.printer.line(f"{key}={session.settings.get(key) or ''}")
        session.printer.detail(f"  {words} [{environment_name(key)}]")


@config_command.command("get", cls=HfitCommand)
@click.argument("key", type=click.Choice(list(KEYS)))
def get(key: str) -> None:
    """Print the value of one setting; exit 4 when it has none."""
    session = current_session()
    value = session.settings.get(check_key(key))
    if value is None:
        raise NotFound(f"'{key}' is not set.", suggestions=[f"Run: hfit config set {key} VALUE"])
    if session.printer.json:
        session.printer.document(value)
    else:
        session.printer.line(value)


@config_command.command("set", cls=HfitCommand)
@click.argument("key", type=click.Choice(list(KEYS)))
@click.argument("value")
def set_setting(key: str, value: str) -> None:
    """Set one setting in the file; an empty VALUE removes it."""
    session = current_session()
    write_setting(session.settings.config_dir, key, value)
    path = config_path(session.settings.config_dir)
    session.printer.note(f"{'Set' if value else 'Removed'} {key} in {path}.")
    if session.printer.json:
        session.printer.document({"key": key, "value": value or None, "path": str(path)})
