"""What a caller asked for, once it is known to be well-formed and allowed: the input of a download."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hfitd.errors import BadRequest, NotFound
from hfitd.export.package.codec import CODECS, Codec
from hfitd.export.prepare import Variable, input_variables, parameter_variables
from hfitd.export.sources import Sources
from hfitd.export.template.model import QueryStep, Template, VolumeStep
from hfitd.export.template.parameters import Parameter, bind_parameters
from hfitd.export.template.parse import parse_template
from hfitd.export.template.variables import expand_package_name
from hfitd.model import Action, Actor, Json
from hfitd.store.templates import StoredTemplate, Templates

Given = Mapping[str, Json] | Sequence[Json]


@dataclass(frozen=True, slots=True)
class PackageRequest:
    """A template with bound parameters, for one actor."""

    actor: Actor
    stored: StoredTemplate
    template: Template
    parameters: tuple[Parameter, ...]
    codec: Codec
    refresh: bool = False
    known_digest: str = ""

    @property
    def approved(self) -> bool:
        """Whether somebody else has reviewed this very text."""
        return self.stored.state == "approved"

    @property
    def asks_sources(self) -> bool:
        """Whether variables depend on what is in the sources now."""
        return any(isinstance(step, QueryStep | VolumeStep) for step in self.template.prepare)

    def known_variables(self) -> dict[str, Variable]:
        """Variables whose values need no source."""
        variables = parameter_variables(self.parameters)
        return variables | input_variables(self.template, variables)

    def package_name(self, variables: Mapping[str, Variable]) -> str:
        """The folder's name."""
        return expand_package_name(self.template.package_name, {name: v.value for name, v in variables.items()})


async def read_request(
    templates: Templates,
    sources: Sources,
    actor: Actor,
    name: str,
    given: Given,
    *,
    compression: str = "gzip",
    refresh: bool = False,
    known_digest: str = "",
) -> PackageRequest:
    """Find the template and bind the parameters; NotFound alike when it is missing or may not be run."""
    if compression not in CODECS:
        raise BadRequest("compression is one of gzip, zstd, none.", resource=compression)
    stored = await templates.get(name, actor.email)
    if not sources.policy.may(actor, Action.TEMPLATE_RUN, stored.name):
        raise NotFound("There is no such template.", resource=name)
    template = await asyncio.to_thread(parse_template, stored.text)
    parameters = bind_parameters(template, given)
    return PackageRequest(actor, stored, template, parameters, CODECS[compression], refresh, known_digest)
