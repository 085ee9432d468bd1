"""Everything that is wrong with a template today, against the live catalogues and the policy: all of it at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from hfitd.errors import HfitError
from hfitd.export.items.interface import PlanScope, RunScope, Step
from hfitd.export.library import check_template
from hfitd.export.plan import needed_sources, plan_problems
from hfitd.export.sources import OpenSource, SourceKey, Sources, open_sources
from hfitd.export.template.parse import parse_template
from hfitd.model import Actor, Json

Problems = list[Json]


async def find_problems(text: str, actor: Actor, sources: Sources) -> Problems:
    """What would keep this actor from running the text; empty when nothing would. Reads no row.

    First the text alone, then every part's names, rights and masks, then what the databases say of the statements
    whose variables are known.
    """
    try:
        template = await asyncio.to_thread(parse_template, text)
        await asyncio.to_thread(check_template, template, actor, sources)
        keys = needed_sources(template, sources)
    except HfitError as error:
        return [_problem(error.resource or "", error)]
    async with open_sources(sources, keys, actor.email) as opened:
        catalogs = {key: source.catalog for key, source in opened.items()}
        scope = PlanScope(actor, sources, catalogs, approved=True)
        found, steps = await asyncio.to_thread(plan_problems, template, scope)
        problems = [_problem(label, error) for label, error in found]
        for step in steps:
            problems += await _ask(step, actor, sources, opened)
    return problems


async def _ask(
    step: Step, actor: Actor, sources: Sources, opened: Mapping[SourceKey, OpenSource]
) -> Problems:
    if step.variables():
        return []
    try:
        await step.check(replace(RunScope(actor, sources, opened, {}), walk=False))
    except HfitError as error:
        return [_problem(step.export.key, error)]
    return []


def _problem(label: str, error: HfitError) -> Json:
    return {"where": label, "code": error.code, "message": error.message, "suggestions": list(error.suggestions)}
