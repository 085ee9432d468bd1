"""The admin verbs of ``hfitd``: each asks the running daemon over its socket."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from hfitd.config.model import Config

DEFAULT_DATA = Path("/var/lib/hfitd")
DEFAULT_SOCKET = DEFAULT_DATA / "admin.sock"


def place_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--config`` and ``--socket`` after the verb."""
    command = click.option(
        "--socket", "socket_path", type=click.Path(path_type=Path), default=None, help="The daemon's admin socket."
    )(command)
    return click.option(
        "--config",
        "config_path",
        type=click.Path(path_type=Path),
        envvar="HFITD_CONFIG",
        default=None,
        help="The daemon's configuration, which names the socket (also HFITD_CONFIG).",
    )(command)


def ask(config_path: Path | None, socket_path: Path | None, command: str, **arguments: Any) -> Any:
    """Send one verb and wait ``seconds`` (30) for the answer; prints what was refused and exits."""
    from hfitd.admin.wire import ask_daemon
    from hfitd.errors import HfitError

    path = socket_path or _configured_socket(config_path) or DEFAULT_SOCKET
    seconds = float(arguments.pop("seconds", 30.0))
    given = {name: value for name, value in arguments.items() if value is not None}
    try:
        return ask_daemon(path, command, given, seconds)
    except HfitError as error:
        say(error.message, err=True)
        for suggestion in error.suggestions:
            say(f"  {suggestion}", err=True)
        sys.exit(4 if getattr(error, "wire_code", "") == "NOT_FOUND" else 1)


def _configured_socket(config_path: Path | None) -> Path | None:
    config = load_configuration(config_path)
    return None if config is None else config.server.admin_socket or config.server.data_dir / "admin.sock"


def load_configuration(config_path: Path | None) -> Config | None:
    """The configuration that was named, or None; prints its mistakes and exits."""
    if config_path is None:
        return None
    from hfitd.config.load import load_config
    from hfitd.errors import ConfigError

    try:
        return load_config(config_path, os.environ)
    except ConfigError as error:
        click.echo("The configuration cannot be used:", err=True)
        for mistake in error.mistakes:
            click.echo(f"  {mistake}", err=True)
        sys.exit(2)


def show(document: Any) -> None:
    """Print a result for people and scripts alike."""
    for line in json.dumps(document, indent=2, ensure_ascii=False).split("\n"):
        say(line)


def say(line: str, *, err: bool = False) -> None:
    r"""Print a line in which others chose words: control and direction characters as JSON spells them (``\u009b``)."""
    shown = line if line.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)
    click.echo(shown, err=err)


def read_key(key: str) -> str:
    """The key itself, or the text of the file of that name."""
    if key.startswith(("ssh-", "ecdsa-", "sk-")) and " " in key.strip():
        return key
    try:
        return Path(key).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        click.echo(f"There is no readable public key file `{key}`, and it is no OpenSSH key line.", err=True)
        sys.exit(2)


@click.group()
def user() -> None:
    """Who may log in."""


@user.command("add")
@click.argument("email")
@click.argument("key")
@click.option("--role", "roles", multiple=True, help="A role of the configuration; may be repeated.")
@place_options
def user_add(email: str, key: str, roles: tuple[str, ...], **place: Path | None) -> None:
    """Add a user with a public key (a file or the key itself)."""
    show(ask(**place_of(place), command="user.add", email=email, key=read_key(key), roles=list(roles)))


@user.command("list")
@place_options
def user_list(**place: Path | None) -> None:
    """List users."""
    show(ask(**place_of(place), command="user.list"))


@user.command("show")
@click.argument("email")
@place_options
def user_show(email: str, **place: Path | None) -> None:
    """Show one user."""
    show(ask(**place_of(place), command="user.show", email=email))


@user.command("disable")
@click.argument("email")
@place_options
def user_disable(email: str, **place: Path | None) -> None:
    """Keep the user but let them log in no more."""
    show(ask(**place_of(place), command="user.disable", email=email))


@user.command("enable")
@click.argument("email")
@place_options
def user_enable(email: str, **place: Path | None) -> None:
    """Let a disabled user log in again."""
    show(ask(**place_of(place), command="user.enable", email=email))


@user.command("remove")
@click.argument("email")
@place_options
def user_remove(email: str, **place: Path | None) -> None:
    """Remove a user; their tokens end at once."""
    show(ask(**place_of(place), command="user.remove", email=email))


@user.command("set-roles")
@click.argument("email")
@click.option("--role", "roles", multiple=True, help="A role of the configuration; may be repeated.")
@place_options
def user_set_roles(email: str, roles: tuple[str, ...], **place: Path | None) -> None:
    """Replace the user's roles."""
    show(ask(**place_of(place), command="user.set-roles", email=email, roles=list(roles)))


@user.command("add-key")
@click.argument("email")
@click.argument("key")
@place_options
def user_add_key(email: str, key: str, **place: Path | None) -> None:
    """Give the user another public key."""
    show(ask(**place_of(place), command="user.add-key", email=email, key=read_key(key)))


@user.command("remove-key")
@click.argument("email")
@click.argument("fingerprint")
@place_options
def user_remove_key(email: str, fingerprint: str, **place: Path | None) -> None:
    """Take a key from the user."""
    show(ask(**place_of(place), command="user.remove-key", email=email, fingerprint=fingerprint))


@click.group()
def key() -> None:
    """The keys of this installation."""


@key.command("show")
@place_options
def key_show(**place: Path | None) -> None:
    """Print the package key as an OpenSSH line, then its fingerprint."""
    keys = ask(**place_of(place), command="key.show")
    current = next(entry for entry in keys if entry["current"])
    click.echo(current["public_key"])
    click.echo(current["fingerprint"])


@key.command("rotate")
@click.argument("kind", type=click.Choice(["token", "package"]))
@place_options
def key_rotate(kind: str, **place: Path | None) -> None:
    """Make a new key; the one before stays valid or listed."""
    show(ask(**place_of(place), command="key.rotate", kind=kind))


@click.group()
def session() -> None:
    """Who is logged in."""


@session.command("revoke")
@click.argument("email")
@place_options
def session_revoke(email: str, **place: Path | None) -> None:
    """End every session of a user."""
    show(ask(**place_of(place), command="session.revoke", email=email))


@click.command()
@place_options
def status(**place: Path | None) -> None:
    """Say how the daemon is."""
    show(ask(**place_of(place), command="status"))


def add_admin_verbs(main: click.Group) -> None:
    """Hang the verbs on the main command."""
    for command in (user, key, session, status):
        main.add_command(command)


def place_of(place: Mapping[str, Path | None]) -> dict[str, Path | None]:
    """Where the daemon is, of a command's options."""
    return {"config_path": place["config_path"], "socket_path": place["socket_path"]}
