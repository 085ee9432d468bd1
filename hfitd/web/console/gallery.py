"""Templates: the gallery, one template with its form, its plan as a picture, and running it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from aiohttp import web

from hfitd.errors import HfitError, PermissionDenied, RateLimited, ValidationFailed
from hfitd.export.requests import Given, PackageRequest, read_request
from hfitd.export.review.problems import describe_problem, look_over
from hfitd.export.template.model import Template
from hfitd.export.template.parse import parse_template
from hfitd.export.template.positions import count_positions
from hfitd.model import Action
from hfitd.store.templates import StoredTemplate
from hfitd.web.console.guard import FORM
from hfitd.web.console.rendering import TRIED, redirect, render, segment
from hfitd.web.context import actor, gateway
from hfitd.web.picture.plan import draw_plan
from hfitd.web.picture.svg import write_svg

REFUSALS = (PermissionDenied, ValidationFailed, RateLimited)
GIVEN = "given."  # before the name of a parameter in a form


async def gallery(request: web.Request) -> web.Response:
    """Templates the visitor may run or edit."""
    templates = await gateway(request).library.summaries(actor(request))
    return render(request, "gallery.html", {"templates": templates})


async def template_page(request: web.Request) -> web.Response:
    """One template: what it is, its form, its text."""
    return render(request, "template.html", await _values(request, {}))


async def plan_template(request: web.Request) -> web.Response:
    """The plan of a template for these parameters; when it is refused, everything that keeps it from running."""
    form, door = request[FORM], gateway(request)
    values = await _values(request, form)
    request[TRIED] = ("template.html", values)
    wanted = await _wanted(request, form)
    try:
        document = await door.downloads.plan(wanted, prepare=False)
    except REFUSALS as error:
        request[TRIED] = ("template.html", values | await _refused(request, wanted.stored, error))
        raise error
    assert isinstance(document, Mapping)
    drawing = draw_plan(document)
    shown = {"plan": document, "drawing": drawing, "picture": write_svg(drawing)}
    return render(request, "template.html", {**values, **shown})


async def run_template(request: web.Request) -> web.Response:
    """Start the package, or find the one there is, and go to its page."""
    form, door = request[FORM], gateway(request)
    values = await _values(request, form)
    request[TRIED] = ("template.html", values)
    wanted = await _wanted(request, form)
    try:
        delivery = await door.downloads.start(wanted)
    except REFUSALS as error:
        request[TRIED] = ("template.html", values | await _refused(request, wanted.stored, error))
        raise error
    await door.downloads.delivered(delivery, "done", 0)
    return redirect(f"/console/packages/{segment(delivery.package_id)}")


async def _values(request: web.Request, form: Mapping[str, str]) -> dict[str, object]:
    """What the page of a template shows, with what its form was filled with."""
    door = gateway(request)
    stored = await door.library.show(actor(request), request.match_info["name"])
    template = await asyncio.to_thread(parse_template, stored.text)
    return {
        "item": await door.library.describe(stored),
        "text": stored.text,
        "specs": template.parameters,
        "positions": 0 if template.parameters is not None else count_positions(template),
        "exports": template.exports,
        "given": form,
        "may_run": door.sources().policy.may(actor(request), Action.TEMPLATE_RUN, stored.name),
        "may_review": _may_review(request, stored),
        "plan": None,
        "problems": (),
        "refused": None,
    }


def _may_review(request: web.Request, stored: StoredTemplate) -> bool:
    person, policy = actor(request), gateway(request).sources().policy
    return stored.owner != person.email and policy.may(person, Action.TEMPLATE_APPROVE, stored.name)


async def _wanted(request: web.Request, form: Mapping[str, str]) -> PackageRequest:
    door, name = gateway(request), request.match_info["name"]
    stored = await door.library.show(actor(request), name)
    template = await asyncio.to_thread(parse_template, stored.text)
    return await read_request(
        door.library.shelf,
        door.sources(),
        actor(request),
        name,
        _given(template, form),
        compression=form.get("compression", "gzip"),
        refresh=form.get("refresh") == "1",
    )


def _given(template: Template, form: Mapping[str, str]) -> Given:
    """The parameters of a form. An empty field was not filled, unless it is one that has to be."""
    fields = {name.removeprefix(GIVEN): value for name, value in form.items() if name.startswith(GIVEN)}
    if template.parameters is None:
        return [fields.get(str(number), "") for number in range(1, count_positions(template) + 1)]
    types = {spec.name: spec.type for spec in template.parameters}
    given: dict[str, object] = {name: value for name, value in fields.items() if value}
    lists = {name: str(value).splitlines() for name, value in given.items() if types.get(name) == "list"}
    return {**given, **lists}  # type: ignore[dict-item]


async def _refused(request: web.Request, stored: StoredTemplate, error: HfitError) -> dict[str, object]:
    """Everything that keeps a template from running for the visitor, in words and drawn where it is in the way."""
    try:
        look = await look_over(stored.text, actor(request), gateway(request).sources())
    except HfitError:
        return {}
    problems = [one for one in look.problems if isinstance(one, dict)]
    said = describe_problem(error)
    if all(one["message"] != said["message"] for one in problems):  # these parameters are in the way, or their cost
        look = replace(look, problems=[*problems, said])
    keys = {export.key for export in look.template.exports} if look.template else set()
    whole = [one["message"] for one in look.problems if isinstance(one, dict) and one["where"] not in keys]
    drawing = draw_plan({"template": {"name": stored.name}, "exports": look.exports(), "refusals": whole})
    return {"problems": problems, "refused": drawing, "picture": write_svg(drawing)}
