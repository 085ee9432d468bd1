"""``hfit pkg-tmpl new`` and ``lint``: templates before the server knows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from hfit.commands.nearest import nearest, table_looks
from hfit.commands.root import HfitCommand
from hfit.commands.session import Session, current_session
from hfit.commands.template_files import SUFFIXES, read_template
from hfit.draft import Draft, draft_template, parse_place
from hfit.errors import PolicyRefused, UsageMistake, nothing_here
from hfit.gateway import Gateway
from hfit.lint.check import ERROR, Finding, lint_template
from hfit.output.printer import RED, YELLOW
from hfit.text import visible


@click.command("new", cls=HfitCommand)
@click.option("--from-table", "source", required=True, metavar="PROVIDER/[DB/]TABLE", help="Whose rows it is about.")
@click.option("--by", multiple=True, metavar="COLUMN", help="What chooses the row. Repeatable. [the primary key]")
@click.option("--name", default="", help="What the template is called. [TABLE-case]")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=None, metavar="FILE", help="Not to stdout.")
@click.option("--force", is_flag=True, default=False, help="Replace FILE.")
def new(*, source: str, by: tuple[str, ...], name: str, output: Path | None, force: bool) -> None:
    """Draft a template from the catalogue: one row by its key, with everything that belongs to it.

    The parameter gets the type of the column, the subset gets limits, and the server checks the draft, without storing
    it, before it is written.

    \b
    hfit pkg-tmpl new --from-table shop_pg/public.customer -o customer-case.yaml
    """
    session = current_session()
    draft = make_draft(session.gateway(), source, name=name, by=by)
    for note in draft.notes:
        session.printer.warn(note)
    if output is not None:
        write_draft(output, draft.text, force=force)
        session.printer.note(f"Wrote {output}, which the server finds valid.")
    if session.printer.json:
        document = {"name": draft.name, "parameters": dict(draft.parameters), "template": draft.text}
        session.printer.document({**document, "path": str(output) if output else None, "notes": list(draft.notes)})
    elif output is None:
        session.printer.raw(draft.text.encode())
    else:
        session.printer.line(str(output))


def make_draft(gateway: Gateway, source: str, *, name: str = "", by: Sequence[str] = ()) -> Draft:
    """Draft, and have the server check it."""
    provider, *rest = source.split("/")
    database = rest[0] if len(rest) == 2 else None
    if database is None and rest:
        databases = gateway.dbs(provider) if provider in gateway.dbmss() else []
        database = databases[0] if len(databases) == 1 else None
    with nearest(*table_looks(gateway, provider, database, rest[-1] if rest else None)):
        draft = draft_template(gateway, parse_place(gateway, source), name=name, by=by)
    gateway.validate_template(draft.text.encode())
    return draft


def write_draft(path: Path, text: str, *, force: bool) -> None:
    """Write a new file; one that is there stays, unless ``force``."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w" if force else "x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError as error:
        raise PolicyRefused(
            f"{path} exists.", reason="It may be yours.", suggestions=["Choose another name, or replace it: --force"]
        ) from error


@click.command("lint", cls=HfitCommand)
@click.argument("paths", metavar="FILE|DIR|-...", nargs=-1, required=True)
@click.option("--strict", is_flag=True, default=False, help="Advice also fails: exit 1.")
def lint(paths: tuple[str, ...], strict: bool) -> int:
    """Look over templates without a server: what it would refuse, and what a reviewer would ask.

    Exit 2 when a template has a mistake, 1 with --strict when there is advice, otherwise 0. A remark
    "# lint: allow RULE" on the line, or alone on the line before it, accepts advice.
    """
    session = current_session()
    files = list(dict.fromkeys(file for path in paths for file in _files(path)))
    found = [(file, finding) for file in files for finding in lint_template(read_template(file))]
    if session.printer.json:
        session.printer.document([{"path": file, **finding.document()} for file, finding in found])
    else:
        for file, finding in found:
            _say(session, file, finding)
        looked_over = f"{len(files)} template{'s' * (len(files) != 1)}"
        session.printer.note(f"Looked over {looked_over}: {len(found) or 'no'} finding{'s' * (len(found) != 1)}.")
    if any(finding.level == ERROR for _, finding in found):
        return UsageMistake.exit_code
    return int(strict and bool(found))


def _files(path: str) -> Iterator[str]:
    if path == "-" or not Path(path).is_dir():
        yield path
        return
    inside = sorted(item for item in Path(path).rglob("*") if item.suffix.lower() in SUFFIXES and item.is_file())
    if not inside:
        raise nothing_here(f"There is no template (.yaml, .yml) in {path}.")
    yield from map(str, inside)


def _say(session: Session, file: str, finding: Finding) -> None:
    """``file:line``, as editors and terminals make links of."""
    color = RED if finding.level == ERROR else YELLOW
    where = f"  {visible(file)}:{finding.line}: "
    session.printer.checked(f"{finding.level:<6}", color, f"{where}{finding.words} [{finding.rule}] {finding.pointer}")
