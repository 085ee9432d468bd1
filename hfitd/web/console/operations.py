"""How the gateway does: providers, queues, instances, for who may read ``/metrics`` from where they are."""

from __future__ import annotations

from aiohttp import web

from hfitd.errors import StoreUnavailable
from hfitd.web.console.rendering import render
from hfitd.web.context import gateway
from hfitd.web.operators import require_operator


async def operations_page(request: web.Request) -> web.Response:
    """The state of everything, as ``/ready`` and ``/metrics`` tell it."""
    require_operator(request)
    door = gateway(request)
    sources = door.sources()
    store, providers = await door.readiness.ask(door.store, sources)
    try:
        instances = await door.fleet.names()
    except StoreUnavailable:
        instances = [door.audit.instance]
    places = door.places.report()
    values = {
        "store": store,
        "audit": await door.readiness.ask_audit(door.audit),
        "providers": [
            {"name": name, "state": state, "engine": sources.dialect(name).name, "places": places.get(name)}
            for name, state in sorted(providers.items())
        ],
        "volumes": sorted(sources.volumes),
        "instance": door.audit.instance,
        "instances": instances,
        "jobs": door.downloads.running,
        "extractions": door.downloads.extractions,
        "audit_lag": door.audit.lag,
        "policy": sources.policy.version,
    }
    return render(request, "operations.html", values)
