"""``hfit init``: from nothing to a project whose packages ``hfit refresh`` keeps."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import click

from hfit.commands.completions import complete_templates
from hfit.commands.nearest import near_names, nearest, template_look
from hfit.commands.parameters import parse_parameters
from hfit.commands.root import HfitCommand
from hfit.commands.session import Session, current_session
from hfit.commands.template_drafts import make_draft, write_draft
from hfit.draft import Draft
from hfit.errors import HfitClientError, NotFound, PolicyRefused, UsageMistake
from hfit.gateway import Gateway
from hfit.refresh.project import FILE_NAME, read_project
from hfit.settings import write_setting
from hfit.text import visible

NEW = "new"


@dataclass(frozen=True, slots=True)
class _Wish:
    """What was said by flags; what is missing is asked for on a terminal."""

    template: str | None
    source: str | None
    parameters: Sequence[str]
    name: str | None
    into: str | None


@click.command("init", cls=HfitCommand)
@click.option("--template", default=None, metavar="NAME", shell_complete=complete_templates, help="One that exists.")
@click.option("--from-table", "source", default=None, metavar="PROVIDER/[DB/]TABLE", help="Draft a template instead.")
@click.option("--param", "parameters", multiple=True, metavar="KEY=VALUE", help="A parameter of it. Repeatable.")
@click.option("--name", default=None, help="What the package is called in hfit.toml. [that of the template]")
@click.option("--into", default=None, metavar="DIR", help="Where it goes. [tests/fixtures/NAME]")
def init_command(
    *, template: str | None, source: str | None, parameters: tuple[str, ...], name: str | None, into: str | None
) -> None:
    """Write a first hfit.toml and template, by asking.

    Asks on a terminal for the server, who you are, which table or template the package is about and its parameters;
    logs in if need be, writes templates/NAME.yaml, stores it on the server, and writes hfit.toml. Flags answer in
    advance; without a terminal what is missing is named (exit 2).

    \b
    hfit init --from-table shop_pg/public.customer --param customer_id=42
    """
    if template and source:
        raise UsageMistake("--template and --from-table exclude each other.")
    if Path(FILE_NAME).exists():
        raise PolicyRefused(
            f"There is an {FILE_NAME} here already.", reason="It is the project's; init only makes a first one.",
            suggestions=["Add a [packages.NAME] table to it, or remove it.", "Then: hfit refresh"],
        )  # fmt: skip
    session, gateway = _connected()
    _make_project(session, gateway, _Wish(template, source, parameters, name, into))


def _connected() -> tuple[Session, Gateway]:
    """A session of somebody who is logged in; what had to be asked is kept in the settings."""
    session = current_session()
    if not session.settings.get("server-url"):
        url = _ask("The address of the gateway", "--server-url", "https://")
        write_setting(session.settings.config_dir, "server-url", url)
        session = current_session()
    gateway = session.gateway()
    try:
        gateway.whoami()
    except HfitClientError as error:
        if error.category != "AUTHENTICATION":
            raise
        if not session.settings.get("email"):
            email = _ask("Your e-mail address there", "HFIT_EMAIL, or log in first with hfit login", None)
            write_setting(session.settings.config_dir, "email", email)
            session = current_session()
            gateway = session.gateway()
        token, _, learned = gateway.login()
        session.printer.note(f"Logged in to {gateway.origin} as {token.email}.")
        for fingerprint in learned:
            session.printer.note(f"Pinned the package key {fingerprint}; the operator can confirm it: hfitd key show")
    return session, gateway


def _make_project(session: Session, gateway: Gateway, wish: _Wish) -> None:
    """Everything is known and checked before the first file is written."""
    source, template = wish.source, wish.template
    if not source and not template:
        source, template = _choose(session, gateway)
    given = parse_parameters(wish.parameters)
    written = [FILE_NAME]
    if source:
        draft = _draft(gateway, source)
        template = draft.name
        specs = [{"name": name, "type": kind, "required": True} for name, kind in draft.parameters.items()]
        values = _values(specs, given)
        written.insert(0, _store(session, gateway, draft))
    else:
        assert template is not None
        values = _values(_specs(gateway, template), given)
    name = wish.name or re.sub(r"[^A-Za-z0-9_.-]", "-", template.rpartition(":")[2])
    into = wish.into or f"tests/fixtures/{name}"
    _write_project(gateway.origin, name, template, values, into)
    if session.printer.json:
        session.printer.document({"written": written, "package": name, "template": template, "into": into})
        return
    for path in written:
        session.printer.line(path)
    session.printer.note("Next: hfit refresh  (downloads and locks it), then commit hfit.toml and hfit.lock")


def _choose(session: Session, gateway: Gateway) -> tuple[str | None, str | None]:
    """A table to draft from, or a template."""
    names = [str(item.get("name")) for item in gateway.templates()]
    if names:
        session.printer.note("Templates that you may run: " + ", ".join(names))
    chosen = _ask(f"A template, or '{NEW}' to draft one from a table", "--template or --from-table", NEW)
    if chosen != NEW:
        return None, chosen
    providers = gateway.dbmss()
    if not providers:
        raise PolicyRefused("You may see no provider.", suggestions=["Ask for a role: hfit request NAME --reason TEXT"])
    provider = providers[0]
    if len(providers) > 1:
        session.printer.note("Providers: " + ", ".join(providers))
        provider = _ask("Provider", "--from-table", provider)
    databases = gateway.dbs(provider)
    database = databases[0] if databases else ""
    if len(databases) > 1:
        session.printer.note("Databases: " + ", ".join(databases))
        database = _ask("Database", "--from-table", database)
    tables = gateway.tables(provider, database)
    session.printer.note("Tables: " + ", ".join(tables[:60]) + (" ..." if len(tables) > 60 else ""))
    table = _ask("The table that a case is about", "--from-table", None)
    return f"{provider}/{database}/{table if table in tables else (near_names(table, tables) or [table])[0]}", None


def _draft(gateway: Gateway, source: str) -> Draft:
    """A draft under its usual name, or under one that is free where that is taken by another template."""
    draft = make_draft(gateway, source)
    taken = {item["name"] for item in gateway.templates()}
    if draft.name not in taken or gateway.template(draft.name) == draft.text:
        return draft
    names = (f"{draft.name}-{number}" for number in count(2))
    return make_draft(gateway, source, name=next(name for name in names if name not in taken))


def _store(session: Session, gateway: Gateway, draft: Draft) -> str:
    """The draft as a file and on the server; where it lies."""
    path = Path("templates") / f"{draft.name}.yaml"
    write_draft(path, draft.text, force=False)
    for note in draft.notes:
        session.printer.warn(note)
    try:
        gateway.create_template(draft.text.encode())
    except HfitClientError as error:
        if error.code != "CONFLICT":
            raise
        session.printer.note(f"You have the template {draft.name} already, as it is here.")
    return path.as_posix()


def _specs(gateway: Gateway, name: str) -> list[Mapping[str, object]]:
    """The parameters of a template that exists."""
    with nearest(template_look(gateway, name)):
        template = next((item for item in gateway.templates() if name in (item.get("name"), _full(item))), None)
        if template is None:
            raise NotFound("There is no template of this name.", resource=name)
    declared = template.get("parameters")
    return [item for item in declared if isinstance(item, dict)] if isinstance(declared, list) else []


def _values(specs: Sequence[Mapping[str, object]], given: Mapping[str, object] | Sequence[object]) -> dict[str, object]:
    """The given parameters by name, and those asked for that are required and were not given."""
    if not isinstance(given, Mapping):
        given = dict(zip((str(spec.get("name")) for spec in specs), given, strict=False))
    values = dict(given)
    for spec in specs:
        parameter = str(spec.get("name"))
        if parameter not in values and spec.get("required"):
            words = visible(spec.get("description") or spec.get("type"), limit=200)
            values[parameter] = _ask(f"{parameter} ({words})", f"--param {parameter}=VALUE", None)
        if spec.get("type") in ("integer", "bigint") and re.fullmatch(r"-?[0-9]{1,18}", str(values.get(parameter))):
            values[parameter] = int(str(values[parameter]))
    return values


def _full(template: Mapping[str, object]) -> str:
    return f"{template.get('owner')}:{template.get('name')}"


def _write_project(origin: str, name: str, template: str, values: Mapping[str, object], into: str) -> None:
    """Write hfit.toml and read it back as ``hfit refresh`` will; a file with a mistake does not stay."""
    inside = ", ".join(f"{json.dumps(key)} = {json.dumps(value)}" for key, value in values.items())
    lines = [
        "# The packages of this project: `hfit refresh` fetches them and writes hfit.lock; commit both files.",
        f"server = {json.dumps(origin)}",
        "",
        f"[packages.{json.dumps(name)}]",
        f"template = {json.dumps(template)}",
        f"params = {{{inside}}}",
        f"into = {json.dumps(into)}",
        "",
    ]
    path = Path(FILE_NAME)
    write_draft(path, "\n".join(lines), force=False)
    try:
        read_project(path)
    except UsageMistake:
        path.unlink()
        raise


def _ask(words: str, flag: str, default: str | None) -> str:
    """Ask on a terminal; elsewhere UsageMistake names the flag."""
    if not sys.stdin.isatty():
        raise UsageMistake(f"{words}: it is not given, and there is nobody to ask.", suggestions=[f"Say it by {flag}"])
    answer: str = click.prompt(words, default=default, err=True)
    return answer.strip()
