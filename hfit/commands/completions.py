"""Completion of names that only the server knows; silent and quick, whatever goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click

from hfit.errors import HfitClientError
from hfit.gateway import Gateway
from hfit.settings import load_settings

COMPLETION_TIMEOUT_SECONDS = "3"

Completer = Callable[[click.Context, click.Parameter, str], list[str]]


def _ask(context: click.Context, incomplete: str, ask: Callable[[Gateway], Iterable[str]]) -> list[str]:
    flags = {"server-url": context.meta.get("hfit.server_url"), "timeout": COMPLETION_TIMEOUT_SECONDS}
    try:
        gateway = Gateway(settings=load_settings(None, flags), ask_passphrase=lambda _: None)
        return [name for name in ask(gateway) if name.startswith(incomplete) and name.isprintable()]
    except (HfitClientError, OSError):
        return []


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


def complete_templates(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Names of templates."""
    return _ask(context, incomplete, lambda gateway: [str(item.get("name", "")) for item in gateway.templates()])


def complete_parameters(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """``name=`` of the template's parameters that were not given yet."""
    given = {str(item).partition("=")[0] for item in context.params.get("parameters") or ()}

    def ask(gateway: Gateway) -> list[str]:
        templates = [item for item in gateway.templates() if item.get("name") == context.params.get("name")]
        parameters = templates[0].get("parameters") if templates else []
        names = [str(item.get("name")) for item in parameters if isinstance(item, dict)] if parameters else []  # type: ignore[attr-defined]
        return [f"{name}=" for name in names if name not in given]

    return _ask(context, incomplete, ask)
