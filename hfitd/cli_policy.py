"""``hfitd policy``: scan a provider for personal columns, write the script for its role, explain a decision."""

from __future__ import annotations

from pathlib import Path

import click

from hfitd.cli_admin import ask, place_options, say, show

SCAN_SECONDS = 1800.0

database_option = click.option("--database", default=None, help="Another database of the provider than its own.")


@click.group()
def policy() -> None:
    """Who may see what, and why."""


@policy.command("scan")
@click.argument("provider")
@database_option
@click.option("--new", is_flag=True, help="Only columns that have no class yet.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document with every column.")
@place_options
def policy_scan(
    provider: str,
    database: str | None,
    config_path: Path | None,
    socket_path: Path | None,
    *,
    new: bool,
    as_json: bool,
) -> None:
    """Propose classes and masks for the columns of PROVIDER, as configuration to be reviewed.

    Names, types and a few sampled rows of each table are looked at. Nothing is changed, and no value is printed.
    """
    place, only = (config_path, socket_path), new or None
    found = ask(*place, "policy.scan", seconds=SCAN_SECONDS, provider=provider, database=database, new=only)
    if as_json:
        show({name: value for name, value in found.items() if name != "fragment"})
    else:
        click.echo(found["fragment"], nl=False)


@policy.command("grants")
@click.argument("provider")
@database_option
@click.option("--role", default=None, help="The database role or account, if not the provider's user; NAME@HOST.")
@place_options
def policy_grants(
    provider: str, database: str | None, role: str | None, config_path: Path | None, socket_path: Path | None
) -> None:
    """Print the script that gives the database role of PROVIDER what the policy needs, and nothing else."""
    script = ask(config_path, socket_path, "policy.grants", provider=provider, database=database, role=role)
    click.echo(script, nl=False)


@policy.command("explain")
@click.argument("email")
@click.argument("object_name", metavar="OBJECT")
@click.option("--action", default=None, help="Only this action, such as rows.")
@database_option
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@place_options
def policy_explain(
    email: str, object_name: str, action: str | None, database: str | None, *, as_json: bool, **place: Path | None
) -> None:
    """Print what a user may do with OBJECT and why: a table, one of its columns, a volume's path or a template."""
    where = (place["config_path"], place["socket_path"])
    found = ask(*where, "policy.explain", email=email, object=object_name, action=action, database=database)
    if as_json:
        show(found)
        return
    say(f"{found['user']} (roles: {', '.join(found['roles']) or 'none'}) on {found['object']}")
    for decision in found["decisions"]:
        say(f"  {decision['action']:<16} {'yes' if decision['allowed'] else 'no':<4} {decision['reason']}")
    for column in found.get("columns", ()):
        say(f"column {column['column']}: {column['shown']}")
        say(f"  granted  {column['granted']}")
        say(f"  class    {column['class']}")
        say(f"  raw      {column['raw']}")
    for line in found.get("row_filters", ()):
        say(f"rows of {line}")
    if "note" in found:
        say(found["note"])
