"""The ``hfit`` command and its table of sub-commands.

A command's module is imported when the command runs; ``hfit --help`` shows the table's own words, which a test keeps
equal to the commands'. The global options are accepted before and after the sub-command.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from hfit.version import VERSION

COMMANDS: Mapping[str, tuple[str, str]] = {
    "login": ("access", "Log in with an SSH key."),
    "logout": ("access", "Give the token back and forget it."),
    "init": ("init", "Write a first hfit.toml and template, by asking."),
    "whoami": ("access", "Say who you are for the server, and which roles you have."),
    "web": ("web", "Open the web console in a browser."),
    "config": ("config", "Show and change settings."),
    "dbmss": ("databases", "List the database providers you may see."),
    "dbs": ("databases", "List the databases of a provider."),
    "tables": ("databases", "List the tables of a database."),
    "describe": ("databases", "Show columns, keys, foreign keys and masks of a table."),
    "rows": ("databases", "Stream masked rows of a table."),
    "volumes": ("volumes", "List the volumes you may see."),
    "files": ("volumes", "List files of a volume, one JSON object a line."),
    "download": ("volumes", "Download a file of a volume, the best match of filters, or with -r a folder."),
    "pkg-example": ("templates", "Print a commented template that works against the demo."),
    "pkg-tmpl": ("templates", "Work with templates."),
    "pkg-plan": ("planning", "Say what a download would do, without reading a row."),
    "pkg-download": ("packages", "Download, verify and extract a package."),
    "request": ("requests", "Ask for a role or a template for a while, and answer such requests."),
    "refresh": ("refresh", "Bring all packages of hfit.toml up to date and lock them."),
    "verify": ("packages", "Verify a package: every file, the archive, the signature."),
    "load": ("loading", "Load a package into PostgreSQL, MySQL/MariaDB or SQLite."),
    "explain": ("explaining", "Say why a row is in a subset: the foreign keys from the root to it."),
    "purge": ("purge", "Remove expired packages."),
    "doctor": ("doctor", "Look at server, clock, key, token and pins, and say what is wrong."),
    "audit": ("audit", "Read the audit log: who got what. Needs the right audit.read."),
    "completion": ("completion", "Print the shell completion script."),
}

COMPLETION = "_HFIT_COMPLETE"  # what a shell that completes sets; click makes it of the program's name
FIRST_STEPS = ("login", "init", "pkg-plan", "pkg-download", "load")


def first_steps() -> str:
    """What ``hfit`` alone says: the five commands of the way from nothing to a loaded package."""
    width = max(map(len, FIRST_STEPS))
    steps = "\n".join(f"  hfit {name:<{width}}  {COMMANDS[name][1]}" for name in FIRST_STEPS)
    return (
        f"Small, real, masked test fixtures from production databases and volumes.\n\nThe first steps:\n\n{steps}\n\n"
        "All commands: hfit --help. One of them: hfit COMMAND --help. Something is wrong: hfit doctor"
    )


def remember(context: click.Context, parameter: click.Parameter, value: object) -> None:
    """Keep a global option for the whole run, wherever on the line it stood."""
    name = parameter.name or ""
    if context.get_parameter_source(name) == ParameterSource.COMMANDLINE:
        context.meta[f"hfit.{name}"] = value


def global_options(*, hidden: bool) -> list[click.Option]:
    """Fresh copies of the global options."""
    kept: dict[str, object] = {"expose_value": False, "callback": remember, "hidden": hidden}
    flag: dict[str, object] = {**kept, "is_flag": True, "default": False}
    return [
        click.Option(["--config-dir"], metavar="DIR", help="Settings, token and pins. [~/.hfit]", **kept),  # type: ignore[arg-type]
        click.Option(["--server-url"], metavar="URL", help="The gateway to speak to.", **kept),  # type: ignore[arg-type]
        click.Option(["--verbose", "-v"], help="Say more on standard error.", **flag),  # type: ignore[arg-type]
        click.Option(["--json"], help="Machine output on standard output.", **flag),  # type: ignore[arg-type]
        click.Option(["--no-color"], help="No colours.", **flag),  # type: ignore[arg-type]
        click.Option(["--insecure"], help="Do not check certificates; allow http.", **flag),  # type: ignore[arg-type]
    ]


class HfitCommand(click.Command):
    """A command that also takes the global options."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The command's own parameters and the global ones."""
        return [*self.params, *global_options(hidden=True), *super().get_params(ctx)[len(self.params) :]]


class LazyGroup(click.Group):
    """A group whose commands are imported one at a time."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module, or None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"hfit.commands.{COMMANDS[cmd_name][0]}")
        command = getattr(module, cmd_name.replace("-", "_") + "_command")
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As usual, but an unknown name is answered with the nearest ones."""
        if args and args[0] not in COMMANDS and not ctx.resilient_parsing:
            near = difflib.get_close_matches(args[0], COMMANDS, n=3)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            ctx.fail(f"There is no command '{args[0]}'.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names from the table, without importing any; options by click."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [CompletionItem(name, help=row[1]) for name, row in COMMANDS.items() if name.startswith(incomplete)]


def _show_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        click.echo(f"hfit {VERSION}")
        context.exit(0)


root = LazyGroup(
    name="hfit",
    help="Small, real, masked test fixtures from production databases and volumes.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    params=[
        *global_options(hidden=False),
        click.Option(
            ["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="The version."
        ),
    ],
)
