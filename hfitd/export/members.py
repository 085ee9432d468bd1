"""From a checked plan to the members of a package."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from hfitd.export.cycles import find_postponed
from hfitd.export.dangling import find_dangling
from hfitd.export.items.interface import Built, Checked, Member, RunScope, Step
from hfitd.export.package.build import refuse_collisions
from hfitd.export.package.graph import graph_members
from hfitd.export.plan import Plan
from hfitd.export.progress import Progress
from hfitd.model import Sink
from hfitd.observe.observer import Observer


async def check_members(plan: Plan, run: RunScope, observer: Observer, progress: Progress) -> list[Member]:
    """Every step's members, with what dangles between them; the step 6 of a request. Building one is a span, and
    ``progress`` learns of each step, and how many rows there will be."""
    run = replace(run, postponed=find_postponed(plan.steps, run.opened), walking=progress.planning.walk)
    checked = list((await check_steps(plan.steps, progress, lambda step: step.check(run))).values())
    progress.pace.expect(checked)
    members = [member for one in checked for member in one.members]
    members += graph_members([one.ways for one in checked if one.ways is not None])
    refuse_collisions(members)
    dangling = await find_dangling(plan.steps, run)
    members = [
        replace(member, details={**member.details, "dangling": [entry.document() for entry in dangling[member.path]]})
        if member.path in dangling
        else member
        for member in members
    ]
    return [replace(member, build=_traced(member, observer)) for member in members]


async def check_steps(
    steps: Sequence[Step], progress: Progress, check: Callable[[Step], Awaitable[Checked]]
) -> dict[str, Checked]:
    """What ``check`` says of each step, by export key; ``progress`` is told how far they are."""
    progress.planning.begin([len(step.tables) for step in steps])
    progress.notify()
    found: dict[str, Checked] = {}
    for step in steps:
        found[step.export.key] = await check(step)
        progress.planning.end_export()
        progress.notify()
    return found


def _traced(member: Member, observer: Observer) -> Callable[[Sink], Awaitable[Built]]:
    """Told by its kind and source, never by its path, which can hold values."""

    async def build(sink: Sink) -> Built:
        provider = member.source.provider if member.source else ""
        with observer.span("member", {"hfitd.member.kind": member.kind, "hfitd.provider": provider}) as span:
            built = await member.build(sink)
            span.set({"hfitd.rows": built.rows or 0})
        return built

    return build
