"""``hfitd``: serve, check, demo, openapi, and the admin verbs over the socket.

Only click is imported here; what a command needs is imported when it runs, so that a client-only installation gets a
sentence instead of a traceback. Exit codes: 0 done, 1 refused or failed, 2 a bad configuration or usage, 3 a source
that does not answer.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import click

from hfitd.cli_admin import add_admin_verbs, say
from hfitd.cli_audit import add_audit_verbs
from hfitd.cli_policy import policy
from hfitd.cli_review import package, request, template
from hfitd.errors import ConfigError, HfitError

DEFAULT_CONFIG = "/etc/hfitd/config.toml"
SERVER_LIBRARIES = (
    "aiofiles",
    "aiohttp",
    "apispec",
    "isal",
    "jwt",
    "marshmallow",
    "prometheus_client",
    "redis",
    "sqlglot",
)

config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    envvar="HFITD_CONFIG",
    default=DEFAULT_CONFIG,
    show_default=True,
    help="Configuration file (also HFITD_CONFIG).",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hot-fixture-tool", prog_name="hfitd")
def main() -> None:
    """The gateway between production data and the tests that need it."""


@main.command()
@config_option
def serve(config_path: Path) -> None:
    """Run the daemon until SIGTERM."""
    require_server_libraries()
    from hfitd.app import serve as run

    try:
        asyncio.run(run(config_path, os.environ))
    except ConfigError as error:
        fail_config(error)
    except HfitError as error:
        fail(error, 3 if error.category == "CONNECTION" else 1)
    except OSError as error:
        click.echo(f"hfitd cannot start: {error.strerror}.", err=True)
        sys.exit(1)


@main.command()
@config_option
@click.option("--db", "database", is_flag=False, flag_value="*", default=None, help="Check all providers, or one NAME.")
@click.option("--store", "with_store", is_flag=True, help="Check the store.")
@click.option("--volumes", "with_volumes", is_flag=True, help="Check the volumes.")
def check(config_path: Path, database: str | None, *, with_store: bool, with_volumes: bool) -> None:
    """Read the configuration and really connect; without options to everything."""
    require_server_libraries()
    from hfitd.check import check_all
    from hfitd.config.load import load_config
    from hfitd.offer import refuse_mistakes

    try:
        config = load_config(config_path, os.environ)
        refuse_mistakes(config)
    except ConfigError as error:
        fail_config(error)
    everything = database is None and not with_store and not with_volumes
    results = asyncio.run(
        check_all(
            config,
            database="*" if everything else database,
            store=with_store or everything,
            volumes=with_volumes or everything,
        )
    )
    click.echo(f"ok    configuration {config_path.name}")
    for result in results:
        say(f"{'ok' if result.ok else 'FAIL':<5} {result.name}: {result.detail}", err=not result.ok)
        for warning in result.warnings:
            say(f"warn  {result.name}: {warning}", err=True)
    if not all(result.ok for result in results):
        sys.exit(3)


@main.command()
@config_option
@click.option("--local", is_flag=True, help="This machine only; do not connect to databases, store and volumes.")
def doctor(config_path: Path, *, local: bool) -> None:
    """Look at what an operator would look at: modes, keys, disks, audit log, clock, daemon, sources; changes nothing.

    Exit 1 when something on this machine is not well, 3 when a source does not answer.
    """
    require_server_libraries()
    from hfitd.check import check_all
    from hfitd.config.load import load_config
    from hfitd.doctor import FAIL, OK, examine
    from hfitd.offer import refuse_mistakes

    try:
        config = load_config(config_path, os.environ)
        refuse_mistakes(config)
    except ConfigError as error:
        fail_config(error)
    worst = 0
    for finding in examine(config, config_path):
        well = finding.state == OK
        click.echo(f"{finding.state:<5} {finding.check}: {finding.words}", err=not well)
        if not well and finding.advice:
            click.echo(f"      {finding.advice}", err=True)
        worst = 1 if finding.state == FAIL else worst
    for result in [] if local else asyncio.run(check_all(config, database="*", store=True, volumes=True)):
        say(f"{'ok' if result.ok else 'FAIL':<5} {result.name}: {result.detail}", err=not result.ok)
        for warning in result.warnings:
            say(f"warn  {result.name}: {warning}", err=True)
        worst = worst if result.ok or worst else 3
    sys.exit(worst)


@main.command()
@click.option("--keep", is_flag=True, help="Leave the daemon running and print commands to paste.")
def demo(*, keep: bool) -> None:
    """Show the whole road on sample data, in a temporary folder."""
    require_server_libraries()
    from hfitd.demo.story import run_demo

    sys.exit(run_demo(keep=keep))


@main.command()
def openapi() -> None:
    """Print the OpenAPI document."""
    require_server_libraries()
    from hfitd.app import installed_version
    from hfitd.web.openapi import make_document
    from hfitd.web.routes import ROUTES

    click.echo(json.dumps(make_document(ROUTES, installed_version()), indent=2))


@main.command()
@click.argument("what", type=click.Choice(["template", "config"]))
def schema(what: str) -> None:
    """Print the JSON Schema of templates or of the configuration, for editors."""
    require_server_libraries()
    from hfitd.editor_schemas import DOCUMENTS

    click.echo(json.dumps(DOCUMENTS[what](), indent=2))


def require_server_libraries() -> None:
    """Exit with the command that installs them when the server's libraries are not there."""
    missing = [name for name in SERVER_LIBRARIES if find_spec(name) is None]
    if missing:
        click.echo(f"hfitd needs {', '.join(missing)}.", err=True)
        click.echo("Install it with: pip install 'hot-fixture-tool[server]'", err=True)
        sys.exit(1)


def fail_config(error: ConfigError) -> NoReturn:
    """Print every mistake and exit 2."""
    click.echo("The configuration cannot be used:", err=True)
    for mistake in error.mistakes:
        click.echo(f"  {mistake}", err=True)
    sys.exit(2)


def fail(error: HfitError, code: int) -> NoReturn:
    """Print an error and exit."""
    click.echo(error.message, err=True)
    for suggestion in error.suggestions:
        click.echo(f"  {suggestion}", err=True)
    sys.exit(code)


add_admin_verbs(main)
add_audit_verbs(main)
for group in (policy, template, request, package):
    main.add_command(group)
