"""``hfit pkg-download``, ``verify``."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from hfit.commands.nearest import nearest, template_look
from hfit.commands.parameters import name_argument, parameters_argument, parse_parameters
from hfit.commands.root import HfitCommand
from hfit.commands.session import Session, current_session
from hfit.credentials.pins import Trust, trust_of
from hfit.errors import LoadFailed, UsageMistake
from hfit.gateway import Gateway
from hfit.package.verify import verify_package
from hfit.package_download import EXTENSIONS, PackageRequest, download_package, stream_sql


@click.command("pkg-download", cls=HfitCommand)
@name_argument
@parameters_argument
@click.option("-o", "--output", default=None, metavar="PATH|-", help="The folder, or the archive; - is stdout.")
@click.option("--extract/--archive", "extract", default=True, help="A folder, or the archive as it is. [extract]")
@click.option("--compression", type=click.Choice(list(EXTENSIONS)), default="gzip", help="Of the archive. [gzip]")
@click.option("--refresh", is_flag=True, default=False, help="Build it anew, by-passing the server's cache.")
@click.option("--stream-sql", is_flag=True, default=False, help="Write the SQL in load order to standard output.")
@click.option("--provider", default=None, help="With --stream-sql: whose SQL, when there are several.")
@click.option("--force", is_flag=True, default=False, help="Replace whatever stands at the target.")
@click.option("--allow-hidden", is_flag=True, default=False, help="Accept files whose names begin with a dot.")
def pkg_download_command(
    *,
    name: str,
    parameters: tuple[str, ...],
    output: str | None,
    extract: bool,
    compression: str,
    refresh: bool,
    stream_sql: bool,
    provider: str | None,
    force: bool,
    allow_hidden: bool,
) -> None:
    """Download, verify and extract a package.

    PARAM is key=value, or positional values in the template's order. The package goes into ./<packageName>/ and gets
    that name only after every byte and the signature were verified. An unmodified earlier package there is replaced;
    anything else is left alone (exit 6).

    \b
    hfit pkg-download customer-case customer_id=42
    hfit pkg-download customer-case 42 --stream-sql | psql mydb
    """
    session = current_session()
    if provider is not None and not stream_sql:
        raise UsageMistake("--provider goes with --stream-sql.")
    target = Path(output) if output and output != "-" else None
    request = PackageRequest(
        template_name=name,
        parameters=parse_parameters(parameters),
        output=target,
        archive=not extract,
        compression=compression,
        refresh=refresh,
        force=force,
        allow_hidden=allow_hidden,
    )
    gateway = session.gateway()
    with nearest(template_look(gateway, name)):
        if stream_sql:
            _stream(session, gateway, request, provider, output)
        elif output == "-":
            _archive_to_stdout(session, gateway, request)
        else:
            _download(session, gateway, request)


def _download(session: Session, gateway: Gateway, request: PackageRequest) -> None:
    with session.package_progress(request.template_name) as told:
        done = download_package(gateway, request, told)
    if session.printer.json:
        session.printer.document({**done.document(), "insecure": not session.settings.verify_tls})
        return
    manifest = done.report.manifest
    count = len(manifest.members)
    what = "nothing has changed, nothing was transferred" if done.unchanged else f"{count} files and signature verified"
    session.printer.note(f"{manifest.package_name}: {what}.")
    session.printer.detail(f"Package digest {manifest.package_digest}, signed by {manifest.key.fingerprint}.")
    session.printer.line(str(done.path))


def _stream(
    session: Session, gateway: Gateway, request: PackageRequest, provider: str | None, output: str | None
) -> None:
    if output not in (None, "-"):
        raise UsageMistake("--stream-sql writes to standard output; use > FILE.")
    try:
        with session.package_progress(request.template_name) as told:
            stream_sql(gateway, request, provider, sys.stdout.buffer, told)
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise LoadFailed(
            "Whoever reads the SQL ended before all of it was written.",
            suggestions=["See what it said; it may have kept what came before. hfit load keeps all or nothing."],
        ) from error


def _archive_to_stdout(session: Session, gateway: Gateway, request: PackageRequest) -> None:
    """Into a temporary file first, so that only a verified archive is written."""
    with tempfile.TemporaryDirectory(prefix="hfit-") as folder:
        target = Path(folder) / ("package" + EXTENSIONS[request.compression])
        wanted = PackageRequest(
            request.template_name,
            request.parameters,
            target,
            archive=True,
            compression=request.compression,
            refresh=request.refresh,
            allow_hidden=request.allow_hidden,
        )
        with session.package_progress(request.template_name) as told:
            download_package(gateway, wanted, told)
        with target.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)


@click.command("verify", cls=HfitCommand)
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--key", default=None, metavar="FILE|FINGERPRINT", help="Trust this key instead of the pinned ones.")
@click.option("--target", "targets", multiple=True, metavar="[PROVIDER=]URL", help="Also compare this database.")
@click.option("--allow-remote", is_flag=True, default=False, help="The target may be another host.")
@click.option("--map-database", "databases", multiple=True, metavar="OLD=NEW", help="MySQL: OLD was loaded into NEW.")
@click.option("--allow-hidden", is_flag=True, default=False, help="Accept files whose names begin with a dot.")
def verify_command(
    *,
    path: Path,
    key: str | None,
    targets: tuple[str, ...],
    allow_remote: bool,
    databases: tuple[str, ...],
    allow_hidden: bool,
) -> None:
    """Verify a package: every file, the archive, the signature.

    PATH is an archive or an extracted folder; no connection is needed. Exit 5 when a single byte is not right, or when
    the key that signed it is neither pinned (at login) nor named with --key; exit 6 when the package has expired.

    With --target the tables of a loaded database are compared with the package row by row; exit 5 names the first
    table, row and column that differ. Of several providers those are compared that have a --target.
    """
    session = current_session()
    trust = trust_of(session.settings.config_dir, key)
    report = verify_package(path, trust, allow_hidden=allow_hidden)
    document = report.document()
    if targets:
        document["tables"] = _compare(path, trust, targets, databases, remote=allow_remote, hidden=allow_hidden)
    if session.printer.json:
        session.printer.document(document)
        return
    compared = document.pop("tables", None)
    session.printer.fields(document)
    session.printer.note("The package is whole and unaltered.")
    if isinstance(compared, dict):
        session.printer.note(f"The target holds exactly its rows: {sum(compared.values())} in {len(compared)} tables.")


def _compare(
    path: Path, trust: Trust, targets: Sequence[str], databases: Sequence[str], *, remote: bool, hidden: bool
) -> dict[str, int]:
    from hfit.load.run import LoadRequest, verify_target  # noqa: PLC0415 - lazy: the drivers cost 150 ms
    from hfit.load.target import parse_databases, parse_intos  # noqa: PLC0415

    request = LoadRequest(
        path=path,
        into=parse_intos(targets, os.environ),
        allow_remote=remote,
        allow_dangling=True,
        databases=parse_databases(databases),
        allow_hidden=hidden,
        only_named=True,
    )
    return verify_target(request, trust)
