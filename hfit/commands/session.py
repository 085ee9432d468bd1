"""What a command works with: settings, printer and connection of this run, made when first asked for."""

from __future__ import annotations

import contextlib
import getpass
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hfit.output.console import colors_wanted
from hfit.output.printer import Printer
from hfit.settings import Settings, load_settings
from hfit.told import NOBODY, Told
from hfit.transfer import Progress, silent

if TYPE_CHECKING:
    from hfit.gateway import Gateway


@dataclass(frozen=True, slots=True)
class Session:
    """One run of ``hfit``."""

    settings: Settings
    printer: Printer

    def gateway(self, kind: type[Gateway] | None = None) -> Gateway:
        """A connection to the server of the settings."""
        from hfit.gateway import Gateway  # noqa: PLC0415 - lazy: commands without a server need none of it

        return (kind or Gateway)(settings=self.settings, ask_passphrase=ask_passphrase, warn=self.printer.warn)

    @contextlib.contextmanager
    def progress(self, title: str, *, unit: str = "bytes") -> Iterator[Progress]:
        """A progress bar on a terminal, otherwise nothing; ``unit`` is bytes or rows."""
        if not self.printer.progress_wanted:
            yield silent
            return
        from hfit.output.progress import progress_bar  # noqa: PLC0415 - lazy: rich costs 60 ms

        with progress_bar(title, color=self.printer.color, unit=unit) as update:
            yield update

    @contextlib.contextmanager
    def package_progress(self, name: str) -> Iterator[Told]:
        """Bars on a terminal, otherwise nothing: the plan of a package, the rows that are made, what arrives."""
        if not self.printer.progress_wanted:
            yield NOBODY
            return
        from hfit.output.progress import package_bars  # noqa: PLC0415 - lazy: rich costs 60 ms

        with package_bars(name, color=self.printer.color) as told:
            yield told

    @contextlib.contextmanager
    def plan_progress(self, name: str) -> Iterator[Told]:
        """A bar on a terminal, otherwise nothing: how far a plan is, and since when it is waited for."""
        if not self.printer.progress_wanted:
            yield NOBODY
            return
        from hfit.output.progress import plan_bar  # noqa: PLC0415 - lazy: rich costs 60 ms

        with plan_bar(name, color=self.printer.color) as told:
            yield told


def current_session(**flags: str | None) -> Session:
    """The session of the running command; ``flags`` are its own options that override settings."""
    meta = click.get_current_context().meta
    given = {"server-url": meta.get("hfit.server_url"), **flags}
    if meta.get("hfit.insecure"):
        given["verify-ssl"] = "false"
    directory = meta.get("hfit.config_dir")
    color = colors_wanted(os.environ, refused=bool(meta.get("hfit.no_color")))
    printer = Printer(json=bool(meta.get("hfit.json")), color=color, verbose=int(bool(meta.get("hfit.verbose"))))
    return Session(load_settings(Path(directory) if directory else None, given), printer)


def ask_passphrase(label: str) -> str | None:
    """The passphrase from HFIT_KEY_PASSPHRASE, else from the terminal, else None."""
    known = os.environ.get("HFIT_KEY_PASSPHRASE")
    if known is not None:
        return known
    return getpass.getpass(label) if sys.stdin.isatty() else None
