"""``from hfit import Client``: the gateway's routes, and what ``hfit`` does with packages and files locally."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from hfit.credentials.pins import trust_of
from hfit.errors import UsageMistake
from hfit.explain import Link, explain_row
from hfit.file_download import DownloadedFile, Query, download_file
from hfit.gateway import Gateway, Parameters
from hfit.governance import Governance
from hfit.load.interface import LoadReport
from hfit.package.verify import Report, verify_package
from hfit.package_download import Downloaded, PackageRequest, download_package, stream_sql
from hfit.told import Planning, Told, unheard
from hfit.transfer import Progress, silent
from hfit.tree_download import DownloadedTree, TreeRequest, download_tree

if TYPE_CHECKING:
    from hfit.refresh.run import Outcome


class Client(Gateway):
    """Everything ``hfit`` can do. See ``Gateway`` for the arguments and the routes."""

    def download_package(
        self,
        template_name: str,
        parameters: Parameters = (),
        *,
        output: Path | None = None,
        archive: bool = False,
        compression: str = "gzip",
        refresh: bool = False,
        force: bool = False,
        progress: Progress = silent,
        building: Progress = silent,
        planning: Callable[[Planning], None] = unheard,
    ) -> Downloaded:
        """Download, verify and place a package: a folder, or with ``archive`` the archive itself.

        ``progress`` is told of bytes that arrive, ``building`` of rows that the gateway has written while it still
        makes the package, each with the whole where that is known; ``planning`` of how far the plan is before that.
        """
        request = PackageRequest(template_name, parameters, output, archive, compression, refresh, force)
        return download_package(self, request, Told(progress, building, planning))

    def stream_sql(
        self, template_name: str, out: BinaryIO, parameters: Parameters = (), *, provider: str | None = None
    ) -> Report:
        """Write a package's SQL to ``out`` in load order, after everything was verified."""
        return stream_sql(self, PackageRequest(template_name, parameters), provider, out)

    def download_file(
        self, volume: str, query: Query, *, output: Path | None = None, progress: Progress = silent
    ) -> DownloadedFile:
        """Download one file of a volume: ``query`` is ``{"path": ...}`` or the listing's filters."""
        return download_file(self, volume, query, output, progress)

    def download_tree(self, request: TreeRequest, *, progress: Progress = silent) -> DownloadedTree:
        """Download a folder of a volume: a folder here, or with ``request.archive`` the archive itself."""
        return download_tree(self, request, progress)

    @property
    def governance(self) -> Governance:
        """Review of templates and access requests."""
        return Governance(self)

    def verify(self, path: Path, *, key: str | None = None) -> Report:
        """Verify a package that is already here; needs no connection."""
        return verify_package(path, trust_of(self.settings.config_dir, key))

    def load(
        self,
        path: Path,
        into: str | Sequence[str],
        *,
        mode: str | None = None,
        allow_remote: bool = False,
        allow_dangling: bool = False,
        dry_run: bool = False,
        databases: Mapping[str, str] | None = None,
        lock_seconds: float = 30.0,
        key: str | None = None,
        progress: Progress = silent,
    ) -> list[LoadReport]:
        """Load a package into ``[PROVIDER=]URL``, one or several; a report per provider. Needs no connection.

        All targets or none, as far as their engines can. ``dry_run``: only say what would be done. ``databases``: MySQL
        databases of the package and what they are called in the target. ``lock_seconds``: how long to wait for a lock.
        """
        from hfit.load.run import LoadRequest, load_package  # noqa: PLC0415 - lazy: the drivers cost 150 ms
        from hfit.load.target import parse_intos  # noqa: PLC0415

        targets = parse_intos([into] if isinstance(into, str) else into, os.environ)
        request = LoadRequest(
            path, targets, mode, allow_remote, allow_dangling, dry_run, databases or {}, lock_seconds=lock_seconds
        )
        return load_package(request, trust_of(self.settings.config_dir, key), progress)

    def compare(
        self,
        path: Path,
        target: str | Sequence[str],
        *,
        allow_remote: bool = False,
        databases: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> dict[str, int]:
        """Verify that loaded databases hold exactly the package's rows; rows per table. Needs no connection.

        ``target`` is ``[PROVIDER=]URL``, one or several; providers without one are not compared. TargetDiffers names
        the first table, row and column that differ.
        """
        from hfit.load.run import LoadRequest, verify_target  # noqa: PLC0415 - lazy: the drivers cost 150 ms
        from hfit.load.target import parse_intos  # noqa: PLC0415

        targets = parse_intos([target] if isinstance(target, str) else target, os.environ)
        request = LoadRequest(
            path, targets, None, allow_remote, allow_dangling=True, databases=databases or {}, only_named=True
        )
        return verify_target(request, trust_of(self.settings.config_dir, key))

    def explain(self, path: Path, table: str, row_key: str, *, key: str | None = None) -> list[Link]:
        """The chain of foreign keys from the root of a subset to a row; ``row_key`` is comma-separated."""
        return explain_row(verify_package(path, trust_of(self.settings.config_dir, key)), table, row_key)

    def refresh(
        self,
        folder: Path | None = None,
        names: Sequence[str] = (),
        *,
        jobs: int = 4,
        locked: bool = False,
        check: bool = False,
        force: bool = False,
    ) -> list[Outcome]:
        """Bring the packages of ``hfit.toml`` in ``folder`` (or above it) up to date, from this client's server.

        An outcome per package, with its ``error`` where it failed. ``locked``, ``check`` and ``force`` are those of the
        command.
        """
        from hfit.refresh.cache import open_cache  # noqa: PLC0415 - lazy: few programs need it
        from hfit.refresh.fetch import Fetcher  # noqa: PLC0415
        from hfit.refresh.project import require_project  # noqa: PLC0415
        from hfit.refresh.run import Mode, refresh  # noqa: PLC0415

        if locked and check:
            raise UsageMistake("locked and check exclude each other.")
        mode = Mode.LOCKED if locked else Mode.CHECK if check else Mode.UPDATE
        project = require_project(folder or Path.cwd())
        fetcher = Fetcher(self, open_cache())
        chosen = project.choose(names)
        return refresh(project, chosen, fetcher, mode=mode, jobs=jobs, done=lambda _: None, force=force)
