"""``hfit explain``."""

from __future__ import annotations

from pathlib import Path

import click

from hfit.commands.root import HfitCommand
from hfit.commands.session import current_session
from hfit.credentials.pins import trust_of
from hfit.explain import explain_row
from hfit.package.verify import verify_package
from hfit.pictures.drawing import FORMS, draw_chain, write_dot, write_mermaid
from hfit.pictures.svg import chain_svg


@click.command("explain", cls=HfitCommand)
@click.argument("path", type=click.Path(path_type=Path))
@click.argument("table")
@click.argument("row_key", metavar="KEY")
@click.option("--key", default=None, metavar="FILE|FINGERPRINT", help="Trust this key instead of the pinned ones.")
@click.option("--allow-hidden", is_flag=True, default=False, help="Accept files whose names begin with a dot.")
@click.option("--graph", type=click.Choice(FORMS), default=None, help="Print a picture of the way instead.")
def explain_command(
    *, path: Path, table: str, row_key: str, key: str | None, allow_hidden: bool, graph: str | None
) -> None:
    """Say why a row is in a subset: the foreign keys from the root to it.

    KEY is the row's primary key, comma-separated in its columns' order, as the package has it (masked where masked).
    """
    session = current_session()
    trust = trust_of(session.settings.config_dir, key)
    report = verify_package(path, trust, allow_hidden=allow_hidden)
    chain = explain_row(report, table, row_key)
    if graph is not None:
        write = {"svg": chain_svg, "dot": write_dot, "mermaid": write_mermaid}[graph]
        session.printer.raw(write(draw_chain(chain)).encode())
        return
    if session.printer.json:
        session.printer.document({"chain": [step.document() for step in chain]})
        return
    for depth, step in enumerate(chain):
        session.printer.line("  " * depth + step.words())
