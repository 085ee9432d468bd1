"""Completion of names that only the server knows; silent and quick, whatever goes wrong.

It never waits for more than two seconds in all: what has not come by then is not proposed, and of a long listing what
has come is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import click

from hfit.errors import HfitClientError
from hfit.gateway import Gateway
from hfit.settings import load_settings

PATIENCE_SECONDS = 2.0

Completer = Callable[[click.Context, click.Parameter, str], list[str]]


def _ask(context: click.Context, incomplete: str, ask: Callable[[Gateway], Iterable[str]]) -> list[str]:
    """Those of the names that go on with what was typed, each once, as far as they came in time."""
    found: dict[str, None] = {}

    def look() -> None:
        try:
            for name in ask(_gateway(context)):
                if name.startswith(incomplete) and name.isprintable():
                    found[name] = None
        except (HfitClientError, OSError, ValueError):
            return

    asking = threading.Thread(target=look, daemon=True)  # one that still waits does not keep the process
    asking.start()
    asking.join(PATIENCE_SECONDS)
    return list(found.copy())


def _gateway(context: click.Context) -> Gateway:
    """With the global options of the line, as far as it is typed; a shell does not expand ``~`` in it."""
    meta = context.meta
    flags = {"server-url": meta.get("hfit.server_url"), "timeout": f"{PATIENCE_SECONDS:g}"}
    if meta.get("hfit.insecure"):
        flags["verify-ssl"] = "false"
    directory = meta.get("hfit.config_dir")
    settings = load_settings(Path(directory).expanduser() if directory else None, flags)
    return Gateway(settings=settings, ask_passphrase=lambda _: None)


def complete_providers(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Names of providers."""
    return _ask(context, incomplete, lambda gateway: gateway.dbmss())


def complete_databases(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Databases of the provider that stands before."""
    provider = context.params.get("provider")
    return _ask(context, incomplete, lambda gateway: gateway.dbs(provider)) if provider else []


def complete_tables(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Tables of the provider and database that stand before."""
    provider, database = context.params.get("provider"), context.params.get("database")
    if not provider or not database:
        return []
    return _ask(context, incomplete, lambda gateway: gateway.tables(provider, database))


def complete_volumes(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Names of volumes."""
    return _ask(context, incomplete, lambda gateway: gateway.volumes())


def complete_files(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """``VOLUME:/`` of the volumes, then folder by folder what lies in one. What is only a folder ends in ``/``."""
    volume, colon, path = incomplete.partition(":")
    if not colon:
        return _ask(
            context, incomplete, lambda gateway: (name + end for name in gateway.volumes() for end in ("", ":/"))
        )
    slash = "/" if path.startswith("/") or not path else ""
    folder = path.strip("/") if path.endswith("/") else path.lstrip("/").rpartition("/")[0]
    return _ask(context, incomplete, lambda gateway: _entries(gateway, volume, folder, f"{volume}:{slash}"))


def complete_filters(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """The filters of a listing, and the folders of the volume behind ``folder:``."""
    kind, colon, path = incomplete.partition(":")
    volume = str(context.params.get("volume") or context.params.get("source") or "").partition(":")[0]
    if not colon:
        return [name for name in ("name:", "mtime:", "size:", "folder:", "sort:") if name.startswith(incomplete)]
    if kind == "sort":
        known = (f"sort:{field}:{way}" for field in ("mtime", "size", "name", "path") for way in ("asc", "desc"))
        return [name for name in known if name.startswith(incomplete)]
    if kind != "folder" or not volume:
        return []
    folder = path.rpartition("/")[0].strip("/")
    found = _ask(context, incomplete, lambda gateway: _entries(gateway, volume, folder, "folder:"))
    return [name for name in found if name.endswith("/")]


def _entries(gateway: Gateway, volume: str, folder: str, before: str) -> Iterable[str]:
    """What lies directly in a folder, each once as soon as it is seen: the listing goes through everything below."""
    place, seen = f"{folder}/" if folder else "", set[str]()
    ends = time.monotonic() + PATIENCE_SECONDS
    for entry in gateway.files(volume, {"folder": [folder]} if folder else None):
        path = str(entry.get("path", ""))
        name, slash, _ = path.removeprefix(place).partition("/")
        end = "/" if slash or entry.get("isdir") else ""
        if path.startswith(place) and name and name + end not in seen:
            seen.add(name + end)
            yield before + place + name + end
        if time.monotonic() > ends:
            return


def complete_templates(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Names of templates."""
    return _ask(context, incomplete, lambda gateway: [item["name"] for item in gateway.templates()])


def complete_parameters(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """``name=`` of the template's parameters that were not given yet."""
    given = {str(item).partition("=")[0] for item in context.params.get("parameters") or ()}

    def ask(gateway: Gateway) -> list[str]:
        templates = [item for item in gateway.templates() if item["name"] == context.params.get("name")]
        specs = templates[0].get("parameters", []) if templates else []
        return [f"{spec['name']}=" for spec in specs if spec["name"] not in given]

    return _ask(context, incomplete, ask)
