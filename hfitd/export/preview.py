"""What a plan shows before anything is read: expected tables, known variables, the name to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hfitd.export.items.interface import Checked, RunScope, Step
from hfitd.export.prepare import Variable
from hfitd.export.requests import PackageRequest
from hfitd.export.template.variables import find_variables


async def expect_step(step: Step, run: RunScope, variables: Mapping[str, Variable]) -> Checked:
    """The tables of a step with what the sources expect of them and leave out, as far as the variables are known."""
    if step.variables() <= variables.keys():
        return await step.check(replace(run, walk=False))
    return Checked((), step.tables)


def shown_variables(request: PackageRequest, variables: Mapping[str, Variable]) -> dict[str, str | None]:
    """Every variable with its value, or "unknown"."""
    names = [step.variable for step in request.template.prepare]
    declared = request.template.parameters is not None
    shown = [name for name in variables if not (declared and name.isdigit())]
    return {name: variables[name].value if name in variables else "unknown" for name in [*shown, *names]}


def shown_name(request: PackageRequest, variables: Mapping[str, Variable]) -> str:
    """The name of the package, or of its template while that depends on what is unknown."""
    known = set(find_variables(request.template.package_name)) <= variables.keys()
    return request.package_name(variables) if known else request.template.package_name
