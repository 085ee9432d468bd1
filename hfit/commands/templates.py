"""``hfit pkg-example`` and ``hfit pkg-tmpl``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from hfit.commands.completions import complete_templates
from hfit.commands.example import EXAMPLE
from hfit.commands.nearest import nearest, template_look
from hfit.commands.reviews import approve, unapprove
from hfit.commands.root import HfitCommand
from hfit.commands.session import current_session
from hfit.commands.template_drafts import lint, new
from hfit.commands.template_files import bundle_folder, local_names, read_template, template_name, write_folder

name_argument = click.argument("name", shell_complete=complete_templates)
file_argument = click.argument("file", metavar="FILE|-", type=click.Path(dir_okay=False, allow_dash=True))
folder_argument = click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))


@click.command("pkg-example", cls=HfitCommand)
def pkg_example_command() -> None:
    """Print a commented template that works against the demo."""
    session = current_session()
    if session.printer.json:
        session.printer.document({"template": EXAMPLE})
    else:
        session.printer.raw(EXAMPLE.encode())


@click.group("pkg-tmpl", commands=[new, lint, approve, unapprove])
def pkg_tmpl_command() -> None:
    """Work with templates."""


@pkg_tmpl_command.command("list", cls=HfitCommand)
def list_templates() -> None:
    """List the templates you may see."""
    session = current_session()
    templates = session.gateway().templates()
    if session.printer.json:
        session.printer.document(templates)
        return
    columns = ["name", "owner", "state", "project", "description"]
    session.printer.table(columns, [[item.get(column) for column in columns] for item in templates])


@pkg_tmpl_command.command("show", cls=HfitCommand)
@name_argument
def show(name: str) -> None:
    """Print a template as it was stored."""
    session = current_session()
    gateway = session.gateway()
    with nearest(template_look(gateway, name)):
        text = gateway.template(name)
    known: Mapping[str, object] = next((item for item in gateway.templates() if name in _names(item)), {})
    if session.printer.json:
        state = {key: known.get(key) for key in ("owner", "state", "digest", "approval")}
        session.printer.document({"name": name, "template": text, **state})
        return
    session.printer.raw(text.encode())
    approval = known.get("approval")
    if isinstance(approval, dict):
        problem = approval.get("problem")
        words = f"no longer: {problem}" if problem else f"until {approval.get('expires')}"
        session.printer.note(f"Approved by {approval.get('approver')}, {words}.")


@pkg_tmpl_command.command("create", cls=HfitCommand)
@file_argument
def create(file: str) -> None:
    """Store a new template; a name that exists is refused."""
    session = current_session()
    session.printer.fields(session.gateway().create_template(read_template(file)))


@pkg_tmpl_command.command("update", cls=HfitCommand)
@file_argument
def update(file: str) -> None:
    """Replace the template that FILE names."""
    session = current_session()
    text = read_template(file)
    gateway, name = session.gateway(), template_name(text, file)
    with nearest(template_look(gateway, name)):
        session.printer.fields(gateway.update_template(name, text))


@pkg_tmpl_command.command("patch", cls=HfitCommand)
@file_argument
def patch(file: str) -> None:
    """Show the unified diff that update would make; change nothing."""
    session = current_session()
    text = read_template(file)
    name = template_name(text, file)
    gateway = session.gateway()
    with nearest(template_look(gateway, name)):
        diff = gateway.diff_template(name, text)
    if session.printer.json:
        session.printer.document({"name": name, "diff": diff})
        return
    session.printer.raw(diff.encode())
    if not diff:
        session.printer.note(f"{name}: no difference.")


@pkg_tmpl_command.command("delete", cls=HfitCommand)
@name_argument
def delete(name: str) -> None:
    """Remove a template of yours."""
    session = current_session()
    gateway = session.gateway()
    with nearest(template_look(gateway, name)):
        gateway.delete_template(name)
    session.printer.note(f"Removed {name}.")
    if session.printer.json:
        session.printer.document({"name": name, "deleted": True})


@pkg_tmpl_command.command("validate", cls=HfitCommand)
@file_argument
def validate(file: str) -> None:
    """Have the server check a template without storing it."""
    session = current_session()
    checked = session.gateway().validate_template(read_template(file))
    session.printer.note(f"{file}: valid.")
    session.printer.fields(checked)


@pkg_tmpl_command.command("push", cls=HfitCommand)
@folder_argument
@click.option("--dry-run", is_flag=True, default=False, help="Say what would happen, change nothing.")
def push(folder: Path, dry_run: bool) -> None:
    """Send a folder of templates, all or nothing; each is new, updated or untouched."""
    session = current_session()
    results = session.gateway().push_templates(bundle_folder(folder), dry_run=dry_run)
    if session.printer.json:
        session.printer.document(results)
        return
    for item in results:
        session.printer.line(f"{item.get('result')} {item.get('name')}")
    if dry_run:
        session.printer.note("Nothing was changed (--dry-run).")


@pkg_tmpl_command.command("pull", cls=HfitCommand)
@folder_argument
@click.option("--force", is_flag=True, default=False, help="Replace local files that differ.")
def pull(folder: Path, force: bool) -> None:
    """Write every template you may see into a folder, as NAME.yaml."""
    session = current_session()
    gateway = session.gateway()
    names = local_names(gateway.templates())
    results = write_folder(folder, {local: gateway.template(name) for local, name in names.items()}, force=force)
    if session.printer.json:
        session.printer.document(results)
        return
    for item in results:
        session.printer.line(f"{item['result']} {item['name']}")


@pkg_tmpl_command.command("share", cls=HfitCommand)
@name_argument
def share(name: str) -> None:
    """Let others run a template of yours, each with their own rights."""
    session = current_session()
    gateway = session.gateway()
    with nearest(template_look(gateway, name)):
        session.printer.fields(gateway.share_template(name))


def _names(item: Mapping[str, object]) -> tuple[str, str]:
    return str(item.get("name")), f"{item.get('owner')}:{item.get('name')}"
