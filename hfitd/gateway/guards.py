"""What stands between callers and production, made of the configuration once: places, limits, quotas.

All of them count in the store, so that instances together keep to one limit; the fleet says by how many they divide it
while the store is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hfitd.access.limits import Limits
from hfitd.access.quotas import Quotas
from hfitd.config.model import Config, ProviderConfig, ServerConfig
from hfitd.engines.interface import Engine
from hfitd.engines.places import AllPlaces, Shared
from hfitd.engines.table import open_engine
from hfitd.gateway.cost_guard import Ceiling, CostGuard
from hfitd.gateway.measured import MeasuredEngine
from hfitd.gateway.role_guard import GuardedEngine
from hfitd.model import Actor
from hfitd.observe.events import ConnectionsChanged, PlaceTaken, QueueChanged
from hfitd.observe.observer import Observer
from hfitd.store.fleet import Fleet
from hfitd.store.interface import Store
from hfitd.store.slots import Slots

EMBEDDED = "embedded:"


@dataclass(frozen=True, slots=True)
class Guards:
    """The guards of one process."""

    fleet: Fleet
    places: AllPlaces
    limits: Limits
    quotas: Quotas


def make_guards(
    config: Config, store: Store, instance: str, observer: Observer, alarm: Callable[[Actor, str], None]
) -> Guards:
    """Guards over an open store. ``alarm`` hears who carries off too many tables."""
    fleet = Fleet(store, instance)
    alone = config.store.url == EMBEDDED

    def watch(name: str, waiting: int, taken: int, seconds: float | None) -> None:
        observer.event(QueueChanged(name, waiting, taken))
        observer.event(ConnectionsChanged(name, taken))
        if seconds is not None:
            observer.event(PlaceTaken(name, seconds))

    def instances() -> int:
        return fleet.size

    return Guards(
        fleet,
        AllPlaces(
            None if alone else Shared(Slots(store), instances),
            queue_length=config.limits.queue_length,
            queue_seconds=config.limits.queue_timeout_seconds,
            watch=watch,
        ),
        Limits(store, config.limits, config.auth, instances=instances),
        Quotas(store, config.limits, instances=instances, alarm=alarm),
    )


def open_guarded(provider: ProviderConfig, server: ServerConfig, places: AllPlaces, observer: Observer) -> Engine:
    """A provider's engine within its places, measured; with a ceiling for costs, and, unless ``server.insecure`` says
    otherwise, not used while its role can do more than read (O13). A file is only this machine's: its places are not
    shared."""
    everywhere = provider.type != "sqlite"
    opened = open_engine(provider, places.of(provider.name, provider.max_connections, everywhere=everywhere))
    engine: Engine = MeasuredEngine(opened, observer)
    ceiling = Ceiling(provider.max_cost, provider.max_rows)
    if ceiling != Ceiling():
        engine = CostGuard(engine, ceiling)
    return engine if "db-role" in server.insecure else GuardedEngine(engine)
