"""Which engine serves a provider: one line an engine. Nothing registers itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hfitd.config.model import ProviderConfig
from hfitd.engines.interface import Engine
from hfitd.engines.mysql import MysqlEngine
from hfitd.engines.places import Places
from hfitd.engines.postgres import PostgresEngine
from hfitd.engines.sqlite import SqliteEngine
from hfitd.errors import Internal

ENGINES: Mapping[str, Callable[[ProviderConfig, Places], Engine]] = {
    "postgresql": PostgresEngine,
    "mysql": MysqlEngine,
    "sqlite": SqliteEngine,
}


def open_engine(provider: ProviderConfig, places: Places | None = None) -> Engine:
    """The engine of a provider, which takes its connections from ``places`` (default: of its own, for this process).

    Connects to nothing yet; an unknown ``type`` is Internal, for the configuration has refused it before.
    """
    if provider.type not in ENGINES:
        raise Internal(f'Provider "{provider.name}" has a type that no engine serves.')
    return ENGINES[provider.type](provider, places or Places(provider.name, provider.max_connections))
