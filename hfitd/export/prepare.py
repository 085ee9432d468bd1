"""Variables: parameters first, then each prepare step in order, each value bound once and never expanded again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hfitd.errors import ExportRefused, NotFound, PrepareNoRow
from hfitd.export.files import find_best
from hfitd.export.items.interface import RunScope
from hfitd.export.items.tables import check_select
from hfitd.export.plan import Plan, PlannedQuery
from hfitd.export.template.model import InputStep, QueryStep, Template, VolumeStep
from hfitd.export.template.parameters import Parameter
from hfitd.export.template.variables import expand_glob, replace_by_regex
from hfitd.model import Json
from hfitd.volumes.listing import parse_listing


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable with where its value came from."""

    name: str
    value: str | None
    source: str

    def document(self) -> Mapping[str, Json]:
        """As ``METADATA/replacement.json`` has it."""
        return {"value": self.value, "source": self.source}


def parameter_json(parameter: Parameter) -> Json:
    """A parameter as ``METADATA/input.json`` has it: numbers and truth values as such, the rest as text."""
    if parameter.value is not None and parameter.type in {"integer", "bigint"}:
        return int(parameter.value)
    if parameter.value is not None and parameter.type == "boolean":
        return parameter.value == "true"
    return parameter.value


def parameter_variables(parameters: Sequence[Parameter]) -> dict[str, Variable]:
    """Parameters under their name and under ``n`` of ``$n``."""
    variables: dict[str, Variable] = {}
    for number, parameter in enumerate(parameters, start=1):
        variable = Variable(parameter.name, parameter.value, "input")
        variables[parameter.name] = variable
        variables.setdefault(str(number), variable)
    return variables


def input_variables(template: Template, variables: Mapping[str, Variable]) -> dict[str, Variable]:
    """Prepare steps that only rename an input; known without asking any source."""
    found: dict[str, Variable] = {}
    for step in template.prepare:
        if isinstance(step, InputStep):
            origin = variables[step.source.removeprefix("$").strip("{}")]
            found[step.variable] = Variable(step.variable, origin.value, f"input {step.source}")
    return found


async def resolve_variables(plan: Plan, parameters: Sequence[Parameter], scope: RunScope) -> dict[str, Variable]:
    """The value of every variable; PrepareNoRow names the step that found none or too many."""
    variables = parameter_variables(parameters)
    for planned in plan.prepare:
        step = planned.step
        values = {name: variable.value for name, variable in variables.items()}
        if isinstance(step, InputStep):
            variables |= input_variables(plan.template, variables)
        elif isinstance(step, QueryStep):
            assert planned.query is not None
            value = await _ask_database(step, planned.query, values, scope)
            variables[step.variable] = Variable(step.variable, value, f"query {step.dbms}")
        else:
            value = await _ask_volume(step, values, scope)
            variables[step.variable] = Variable(step.variable, value, f"volume {step.volume}")
    return variables


async def _ask_database(
    step: QueryStep, planned: PlannedQuery, values: Mapping[str, str | None], scope: RunScope
) -> str | None:
    try:
        select = await asyncio.to_thread(planned.query.rewrite, values)
    except NotFound as error:  # a column; what is not there and what is not granted have one status (ruling 15)
        raise ExportRefused(resource=f"prepare.{step.variable}") from error
    await check_select(scope, planned.source, select, f"prepare.{step.variable}")
    rows = await scope.opened[planned.source].snapshot.rows(select, 2)
    if len(rows) != 1:
        found = "no row" if not rows else "more than one row"
        raise PrepareNoRow(f"The query of `{step.variable}` found {found}; it needs exactly one.")
    return rows[0][0]


async def _ask_volume(step: VolumeStep, values: Mapping[str, str | None], scope: RunScope) -> str | None:
    field, _, direction = step.sort.partition("|")
    filters = [f"name:{expand_glob(step.glob, values)}", f"sort:{field}:{direction or 'asc'}"]
    if step.folder:
        filters.append(f"folder:{step.folder}")
    try:
        best = await find_best(scope.sources, scope.actor, step.volume, parse_listing(filters, time.time()))
    except NotFound as error:
        raise PrepareNoRow(f"No file fits the glob of `{step.variable}`.") from error
    return replace_by_regex(step.regex_replace, best.name) if step.regex_replace else best.name
