"""A template's name and its parameters, as the commands that run templates take them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import click

from hfit.commands.completions import complete_parameters, complete_templates
from hfit.errors import UsageMistake

_NAMED = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*)=(.*)", re.S)

name_argument = click.argument("name", shell_complete=complete_templates)
parameters_argument = click.argument("parameters", metavar="[PARAM]...", nargs=-1, shell_complete=complete_parameters)


def parse_parameters(parameters: Sequence[str]) -> Mapping[str, object] | Sequence[object]:
    """All named, or all positional. UsageMistake for a mixture or a name given twice."""
    matches = [_NAMED.fullmatch(item) for item in parameters]
    if not any(matches):
        return list(parameters)
    named = {match[1]: match[2] for match in matches if match}
    if not all(matches):
        raise UsageMistake(
            "Give all parameters as key=value, or all as plain values.",
            suggestions=["A plain value that looks like key=value needs its key before it: name=key=value"],
        )
    if len(named) != len(parameters):
        raise UsageMistake("A parameter is given twice.")
    return named
