"""Everything that is wrong with a template today, against the live catalogues and the policy: all of it at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

from hfitd.errors import HfitError
from hfitd.export.items.interface import Checked, PlanScope, RunScope, Step
from hfitd.export.library import check_template
from hfitd.export.plan import describe_export, needed_sources, plan_problems
from hfitd.export.sources import OpenSource, SourceKey, Sources, open_sources
from hfitd.export.template.model import Export, Template
from hfitd.export.template.parse import parse_template
from hfitd.model import Actor, Json

Problems = list[Json]


@dataclass(frozen=True, slots=True)
class Look:
    """What keeps a template from running, and the steps that can be planned; ``template`` is None where its text
    alone is refused."""

    problems: Problems
    template: Template | None = None
    steps: tuple[Step, ...] = ()

    def exports(self) -> list[Json]:
        """Every export as a plan has it, with its refusals; of one that cannot be planned nothing else is known."""
        if self.template is None:
            return []
        steps = {step.export.key: step for step in self.steps}
        found: list[Json] = []
        for export in self.template.exports:
            refusals = [one for one in self.problems if isinstance(one, Mapping) and one["where"] == export.key]
            if export.key in steps:
                step = steps[export.key]
                found.append(describe_export(step, Checked((), step.tables), refusals))
            else:
                found.append(_unplanned(export) | {"refusals": list(refusals)})
        return found


async def find_problems(text: str, actor: Actor, sources: Sources) -> Problems:
    """What would keep this actor from running the text; empty when nothing would. Reads no row."""
    return (await look_over(text, actor, sources)).problems


async def look_over(text: str, actor: Actor, sources: Sources) -> Look:
    """The same with what can be planned all the same.

    First the text alone, then every part's names, rights and masks, then what the databases say of the statements
    whose variables are known.
    """
    try:
        template = await asyncio.to_thread(parse_template, text)
        await asyncio.to_thread(check_template, template, actor, sources)
        keys = needed_sources(template, sources)
    except HfitError as error:
        return Look([_problem(error.resource or "", error)])
    async with open_sources(sources, keys, actor.email) as opened:
        catalogs = {key: source.catalog for key, source in opened.items()}
        scope = PlanScope(actor, sources, catalogs, approved=True)
        found, steps = await asyncio.to_thread(plan_problems, template, scope)
        problems: Problems = [_problem(label, error) for label, error in found]
        for step in steps:
            problems += await _ask(step, actor, sources, opened)
    return Look(problems, template, tuple(steps))


def _unplanned(export: Export) -> dict[str, Json]:
    nothing: dict[str, Json] = {"provider": None, "database": None, "volume": None}
    return {"key": export.key, "type": export.type, **nothing, "tables": [], "left_out": [], "requires": []}


async def _ask(step: Step, actor: Actor, sources: Sources, opened: Mapping[SourceKey, OpenSource]) -> Problems:
    if step.variables():
        return []
    try:
        await step.check(replace(RunScope(actor, sources, opened, {}), walk=False))
    except HfitError as error:
        return [_problem(step.export.key, error)]
    return []


def describe_problem(error: HfitError) -> dict[str, Json]:
    """What a request was refused with, as one of them."""
    return _problem(error.resource or "", error)


def _problem(label: str, error: HfitError) -> dict[str, Json]:
    return {"where": label, "code": error.code, "message": error.message, "suggestions": list(error.suggestions)}
