"""Packages: one's own with their end, and one of them, also while it is made."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from hfitd.export.artifacts import describe_artifact
from hfitd.web.console.rendering import render
from hfitd.web.context import actor, gateway


async def own_packages(request: web.Request) -> web.Response:
    """What the visitor obtained and can fetch again."""
    door = gateway(request)
    found = await door.downloads.artifacts.held_by(actor(request), door.sources().version)
    return render(request, "packages.html", {"packages": [describe_artifact(artifact) for artifact in found]})


async def package_page(request: web.Request) -> web.Response:
    """One package. To look at one that is made counts as reading it, so it goes on being made meanwhile."""
    package_id = request.match_info["id"]
    job = await gateway(request).downloads.look(package_id, actor(request))
    with job.reading():
        members = [data for kind, data in job.progress.events if kind == "member"]
    artifact = job.artifact
    values = {
        "id": package_id,
        "name": job.package_name,
        "members": members,
        "package": describe_artifact(artifact) if artifact else None,
        "counts": artifact.contents.counts if artifact else (),
        "masks": _masks_by_table(artifact.contents.masks) if artifact else {},
        "key": gateway(request).package_keys.public()[0],
    }
    return render(request, "package.html", values)


def _masks_by_table(masks: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Masks by the full name of their column, as masks by column by table."""
    found: dict[str, dict[str, str]] = {}
    for name, mask in masks.items():
        table, _, column = name.rpartition(".")
        found.setdefault(table, {})[column] = mask
    return found
