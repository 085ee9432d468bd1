"""What a caller asked for, once it is known to be well-formed and allowed: the input of a download."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hfitd.config.model import LimitsConfig
from hfitd.errors import BadRequest, NotFound
from hfitd.export.package.codec import CODECS, Codec
from hfitd.export.prepare import Variable, input_variables, parameter_variables
from hfitd.export.review.validity import judge, judge_parameters
from hfitd.export.sources import Sources
from hfitd.export.template.model import QueryStep, Template, VolumeStep
from hfitd.export.template.parameters import Parameter, bind_parameters
from hfitd.export.template.parse import parse_template
from hfitd.export.template.variables import expand_package_name
from hfitd.model import Actor, Json
from hfitd.store.approvals import Approval, Approvals
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
    watch: str = ""  # the name by which the actor follows what is made of it
    approval: Approval | None = None  # one that holds for this text, policy and parameters
    unapproved: str = ""  # why there is none, in words
    approved_digest: str = ""  # of another text of this template that an approval still names

    @property
    def asks_sources(self) -> bool:
        """Whether variables depend on what is in the sources now."""
        return any(isinstance(step, QueryStep | VolumeStep) for step in self.template.prepare)

    def lifetime_seconds(self, limits: LimitsConfig) -> float | None:
        """Until a package of the request expires: the shorter of the server's and the template's; None is never."""
        wanted = (limits.package_lifetime_seconds, self.template.lifetime_seconds)
        return min((seconds for seconds in wanted if seconds), default=None)

    def known_variables(self) -> dict[str, Variable]:
        """Variables whose values need no source."""
        variables = parameter_variables(self.parameters)
        return variables | input_variables(self.template, variables)

    def package_name(self, variables: Mapping[str, Variable]) -> str:
        """The folder's name."""
        return expand_package_name(self.template.package_name, {name: v.value for name, v in variables.items()})


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where templates and their approvals are kept."""

    templates: Templates
    approvals: Approvals


async def read_request(
    shelf: Shelf,
    sources: Sources,
    actor: Actor,
    name: str,
    given: Given,
    *,
    compression: str = "gzip",
    refresh: bool = False,
    known_digest: str = "",
    watch: str = "",
) -> PackageRequest:
    """Find the template and bind the parameters; NotFound alike when it is missing or may not be run.

    ``NAME@DIGEST`` is a version: the current text, or the one that the latest approval names.
    """
    if compression not in CODECS:
        raise BadRequest("compression is one of gzip, zstd, none.", resource=compression)
    plain, wanted = split_version(name)
    stored = await shelf.templates.get(plain, actor.email)
    if not sources.policy.may_run(actor, stored.owner, stored.name):
        raise NotFound("There is no such template.", resource=name)
    approval = await shelf.approvals.get(stored.owner, stored.name)
    if wanted and wanted != stored.digest:
        stored = await approved_version(shelf, stored, approval, wanted)
    template = await asyncio.to_thread(parse_template, stored.text)
    parameters = bind_parameters(template, given)
    request = PackageRequest(actor, stored, template, parameters, CODECS[compression], refresh, known_digest, watch)
    now, version = time.time(), sources.policy.version
    problem = judge(approval, stored.digest, version, now)
    if approval is not None and not problem:
        problem = await asyncio.to_thread(judge_parameters, approval, template, parameters)
    if problem or approval is None:
        other = approval.template_digest if approval else ""
        still = approval if other != stored.digest and not judge(approval, other, version, now) else None
        return replace(request, unapproved=problem, approved_digest=other if still else "")
    return replace(request, approval=approval)


def split_version(name: str) -> tuple[str, str]:
    """``[owner:]NAME[@DIGEST]`` as what names the template and the digest; '' when none is named."""
    match = re.fullmatch(r"(.+)@([0-9a-f]{64})", name, re.S)
    return (match[1], match[2]) if match else (name, "")


async def approved_version(
    shelf: Shelf, stored: StoredTemplate, approval: Approval | None, digest: str
) -> StoredTemplate:
    """The earlier text that the latest approval names; nobody may run or read any other. NotFound."""
    named = approval is not None and approval.template_digest == digest
    text = await shelf.templates.version(digest) if named else None
    if text is None:
        raise NotFound("There is no such version of this template.", resource=f"{stored.name}@{digest}")
    return replace(stored, text=text, digest=digest)
