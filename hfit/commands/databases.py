"""``hfit dbmss``, ``dbs``, ``tables``, ``describe``, ``rows``."""

from __future__ import annotations

import click

from hfit.commands.completions import complete_databases, complete_providers, complete_tables
from hfit.commands.nearest import nearest, table_looks
from hfit.commands.root import HfitCommand
from hfit.commands.session import current_session

provider_argument = click.argument("provider", shell_complete=complete_providers)
database_argument = click.argument("database", shell_complete=complete_databases)
table_argument = click.argument("table", shell_complete=complete_tables)


@click.command("dbmss", cls=HfitCommand)
def dbmss_command() -> None:
    """List the database providers you may see."""
    session = current_session()
    session.printer.document(session.gateway().dbmss())


@click.command("dbs", cls=HfitCommand)
@provider_argument
def dbs_command(provider: str) -> None:
    """List the databases of a provider."""
    session = current_session()
    gateway = session.gateway()
    with nearest(*table_looks(gateway, provider)):
        session.printer.document(gateway.dbs(provider))


@click.command("tables", cls=HfitCommand)
@provider_argument
@database_argument
def tables_command(provider: str, database: str) -> None:
    """List the tables of a database."""
    session = current_session()
    gateway = session.gateway()
    with nearest(*table_looks(gateway, provider, database)):
        session.printer.document(gateway.tables(provider, database))


@click.command("describe", cls=HfitCommand)
@provider_argument
@database_argument
@table_argument
def describe_command(provider: str, database: str, table: str) -> None:
    """Show columns, keys, foreign keys and masks of a table."""
    session = current_session()
    gateway = session.gateway()
    with nearest(*table_looks(gateway, provider, database, table)):
        session.printer.document(gateway.describe(provider, database, table))


@click.command("rows", cls=HfitCommand)
@provider_argument
@database_argument
@table_argument
@click.argument("filter_text", metavar="[FILTER]", required=False, default="")
@click.option("--limit", type=click.IntRange(min=0), default=None, help="At most this many rows.")
@click.option("--order", default="", metavar="COL", help="Order by COL, or 'COL desc'.")
@click.option(
    "--format", "form", type=click.Choice(["ndjson", "csv", "table"]), default="ndjson", help="How to print. [ndjson]"
)
def rows_command(
    *, provider: str, database: str, table: str, filter_text: str, limit: int | None, order: str, form: str
) -> None:
    """Stream masked rows of a table.

    FILTER is a condition such as "created_at >= '2024-01-01' and country = 'NL'"; a leading WHERE is allowed. The end
    record of the stream is checked and not printed: exit 0 means that all rows arrived.
    """
    session = current_session()
    gateway = session.gateway()
    rows = gateway.rows(provider, database, table, filter=filter_text, order=order, limit=limit, csv=form == "csv")
    with nearest(*table_looks(gateway, provider, database, table)):
        if form == "table" and not session.printer.json:
            session.printer.row_table(rows)
            return
        for piece in rows:
            session.printer.raw(piece)
