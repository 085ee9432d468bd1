"""The library of templates: saved, shown, changed and shared by people, checked before they are kept.

A template is kept only if everything that can be known without a database is right: its form, its variables, the
language of its filters and queries, and that its providers and volumes are ones the author may enter.
"""

from __future__ import annotations

import asyncio
import difflib
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from hfitd.errors import BadRequest, HfitError, NotFound, TemplateInvalid
from hfitd.export.items.rows import format_of
from hfitd.export.items.table import ITEMS
from hfitd.export.naming import split_prefix
from hfitd.export.query.filters import parse_filter
from hfitd.export.query.free import parse_query
from hfitd.export.requests import Shelf, approved_version, split_version
from hfitd.export.review.validity import describe_approval, judge
from hfitd.export.sources import Sources
from hfitd.export.template.bundle import read_bundle
from hfitd.export.template.model import (
    Export,
    FreeQuery,
    InputStep,
    QueryStep,
    Subset,
    TableData,
    Template,
    VolumeFile,
    VolumeFiles,
)
from hfitd.export.template.parse import parse_template
from hfitd.model import Action, Actor, Json
from hfitd.store.approvals import Approval
from hfitd.store.templates import NewTemplate, StoredTemplate

_MAX_ALIGNED = 4_000_000  # pairs of lines
_REMEMBERED = 1000  # summaries


class Library:
    """Templates with the rights that guard them."""

    def __init__(self, shelf: Shelf, sources: Callable[[], Sources]) -> None:
        self.shelf = shelf
        self.templates = shelf.templates
        self._sources = sources
        self._parameters: OrderedDict[str, list[Json]] = OrderedDict()  # by digest, the least used first

    async def summaries(self, actor: Actor) -> list[Json]:
        """Templates the actor may run or edit."""
        stored = await self.templates.visible(actor.email)
        shown = [item for item in stored if self._visible(actor, item)]
        described = await asyncio.gather(*(self.describe(item) for item in shown))
        return [
            {**document, "parameters": await self._parameters_of(item)}
            for document, item in zip(described, shown, strict=True)
        ]

    async def describe(self, stored: StoredTemplate) -> dict[str, Json]:
        """A template with its approval; its state is ``approved`` while that covers its text and the policy."""
        approval = await self.shelf.approvals.get(stored.owner, stored.name)
        return describe_reviewed(stored, approval, self._sources().policy.version)

    async def _parameters_of(self, stored: StoredTemplate) -> list[Json]:
        found = self._parameters.get(stored.digest)
        if found is None:
            found = await asyncio.to_thread(_described_parameters, stored)
            self._parameters[stored.digest] = found
            if len(self._parameters) > _REMEMBERED:
                self._parameters.popitem(last=False)
        else:
            self._parameters.move_to_end(stored.digest)
        return found

    async def show(self, actor: Actor, name: str) -> StoredTemplate:
        """One template; NotFound alike when it is missing or not visible."""
        stored = await self.templates.get(name, actor.email)
        if not self._visible(actor, stored):
            raise NotFound("There is no such template.", resource=name)
        return stored

    async def show_version(self, actor: Actor, name: str) -> StoredTemplate:
        """The same, or with ``NAME@DIGEST`` the text that its latest approval names."""
        plain, wanted = split_version(name)
        stored = await self.show(actor, plain)
        if wanted in ("", stored.digest):
            return stored
        approval = await self.shelf.approvals.get(stored.owner, stored.name)
        return await approved_version(self.shelf, stored, approval, wanted)

    async def check(self, actor: Actor, text: bytes | str) -> Template:
        """Parse and check; TemplateInvalid says everything that is wrong."""
        template = await asyncio.to_thread(parse_template, text)
        self._require(actor, Action.TEMPLATE_EDIT, template.name)
        await asyncio.to_thread(check_template, template, actor, self._sources())
        return template

    async def create(self, actor: Actor, text: bytes) -> StoredTemplate:
        """Keep a new template; Conflict when the actor has one of that name."""
        return await self.templates.create(actor.email, _new(await self.check(actor, text)))

    async def update(self, actor: Actor, name: str, text: bytes) -> StoredTemplate:
        """Replace the actor's own template."""
        template = await self.check(actor, text)
        stored = await self._own(actor, name)
        if template.name != stored.name:
            raise BadRequest("templateName in the text is not the name of the template.", resource=name)
        return await self.templates.update(actor.email, _new(template), expect_digest=stored.digest)

    async def diff(self, actor: Actor, name: str, text: bytes) -> str:
        """What ``update`` would change, as a unified diff; changes nothing."""
        stored = await self.show(actor, name)
        template = await self.check(actor, text)
        return await asyncio.to_thread(unified_diff, stored.text, template.text, name)

    async def delete(self, actor: Actor, name: str) -> None:
        """Remove the actor's own template."""
        stored = await self._own(actor, name)
        await self.templates.delete(actor.email, stored.name)

    async def share(self, actor: Actor, name: str) -> StoredTemplate:
        """Let others run the actor's own template, each with their own rights."""
        stored = await self._own(actor, name)
        self._require(actor, Action.TEMPLATE_SHARE, stored.name)
        return await self.templates.share(actor.email, stored.name)

    async def push(self, actor: Actor, archive: bytes, *, dry_run: bool) -> Sequence[tuple[str, str]]:
        """Keep every template of a bundle, or none when one is wrong; names with new, updated or untouched."""
        files = await asyncio.to_thread(read_bundle, archive)
        templates: dict[str, Template] = {}
        for file_name, text in files:
            try:
                template = await self.check(actor, text)
            except HfitError as error:
                error.resource = error.resource or file_name
                raise
            if template.name in templates:
                raise TemplateInvalid("Two files of the bundle have the same templateName.", resource=file_name)
            templates[template.name] = template
        news = [_new(template) for _, template in sorted(templates.items())]
        return await self.templates.put_bundle(actor.email, news, dry_run=dry_run)

    async def _own(self, actor: Actor, name: str) -> StoredTemplate:
        stored = await self.templates.get(name, actor.email)
        if stored.owner != actor.email or not self._visible(actor, stored):
            raise NotFound("You have no template of that name.", resource=name)
        self._require(actor, Action.TEMPLATE_EDIT, stored.name)
        return stored

    def _visible(self, actor: Actor, stored: StoredTemplate) -> bool:
        policy = self._sources().policy
        actions = (Action.TEMPLATE_EDIT, Action.TEMPLATE_APPROVE)
        return policy.may_run(actor, stored.owner, stored.name) or any(
            policy.may(actor, action, stored.name) for action in actions
        )

    def _require(self, actor: Actor, action: Action, name: str) -> None:
        if not self._sources().policy.may(actor, action, name):
            raise NotFound("There is no such template, or you may not change it.", resource=name)


def unified_diff(old: str, new: str, name: str) -> str:
    """The change between two texts; a change too large to be aligned in a moment is shown as one replacement."""
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    same = next((n for n, pair in enumerate(zip(before, after, strict=False)) if pair[0] != pair[1]), -1)
    if same >= 0 and (len(before) - same) * (len(after) - same) > _MAX_ALIGNED:
        head = [f"--- {name} (stored)\n", f"+++ {name} (yours)\n"]
        hunk = f"@@ -{same + 1},{len(before) - same} +{same + 1},{len(after) - same} @@\n"
        return "".join([*head, hunk, *(f"-{line}" for line in before[same:]), *(f"+{line}" for line in after[same:])])
    return "".join(difflib.unified_diff(before, after, f"{name} (stored)", f"{name} (yours)"))


def _new(template: Template) -> NewTemplate:
    return NewTemplate(template.name, template.text, template.project, template.description)


def check_template(template: Template, actor: Actor, sources: Sources) -> None:
    """Everything that can be wrong with a template and needs no database to see."""
    for step in template.prepare:
        if isinstance(step, InputStep):
            continue
        label = f"prepare.{step.variable}"
        if isinstance(step, QueryStep):
            _check_query(step.query, _enter(step.dbms, label, actor, sources), label)
        else:
            _enter_volume(step.volume, label, actor, sources, Action.FILES_LIST)
    for export in template.exports:
        _check_export(export, actor, sources)


def _check_export(export: Export, actor: Actor, sources: Sources) -> None:
    data = export.data
    if export.type not in ITEMS:
        raise TemplateInvalid(f"This server has no export type `{export.type}`.", resource=export.key)
    if isinstance(data, VolumeFiles | VolumeFile):
        _enter_volume(data.volume, export.key, actor, sources, Action.FILES_READ)
        return
    dialect_name = _enter(data.dbms, export.key, actor, sources)
    if isinstance(data, FreeQuery):
        format_of(export.key)
        _check_query(data.query, dialect_name, export.key)
    elif isinstance(data, TableData):
        format_of(export.key)
        _check_filter(data.filter, export.key)
    elif isinstance(data, Subset):
        _check_subset(data, export.key, actor, sources)


def _check_subset(data: Subset, label: str, actor: Actor, sources: Sources) -> None:
    for root in data.roots:
        _check_filter(root.where, label)
    for entry in data.virtual_keys:
        for end in ("from", "to"):
            if provider := split_prefix(str(entry[end]))[0]:
                _enter(provider, label, actor, sources)
    for named in data.files_from:
        _enter_volume(named["volume"], label, actor, sources, Action.FILES_READ)


def _check_filter(text: str, label: str) -> None:
    if text.strip():
        with _labelled(label):
            parse_filter(text)


def _check_query(text: str, dialect_name: str, label: str) -> None:
    with _labelled(label):
        parse_query(text, dialect_name)


@contextmanager
def _labelled(label: str) -> Iterator[None]:
    """Name the export in an error that has no name yet."""
    try:
        yield
    except HfitError as error:
        error.resource = error.resource or label
        raise


def _enter(provider: str, label: str, actor: Actor, sources: Sources) -> str:
    if provider not in sources.engines or not sources.policy.may_enter(actor, Action.ROWS, provider):
        raise TemplateInvalid(f"There is no provider `{provider}`.", resource=label)
    return sources.dialect(provider).sqlglot_name


def _enter_volume(volume: str, label: str, actor: Actor, sources: Sources, action: Action) -> None:
    if volume not in sources.volumes or not sources.policy.may_enter(actor, action, volume):
        raise TemplateInvalid(f"There is no volume `{volume}`.", resource=label)


def _described_parameters(stored: StoredTemplate) -> list[Json]:
    return [
        {
            "name": spec.name,
            "type": spec.type,
            "required": spec.required,
            "default": spec.default,
            "description": spec.description,
        }
        for spec in parse_template(stored.text).parameters or ()
    ]


def describe_reviewed(stored: StoredTemplate, approval: Approval | None, policy_version: str) -> dict[str, Json]:
    """A kept template with its latest approval, if there ever was one, and why that does not hold."""
    document = describe_stored(stored)
    if approval is None:
        return {**document, "approval": None}
    problem = judge(approval, stored.digest, policy_version, time.time())
    shown = {**describe_approval(approval), "problem": problem or None}
    return {**document, "state": document["state"] if problem else "approved", "approval": shown}


def describe_stored(stored: StoredTemplate) -> dict[str, Json]:
    """A kept template as listings and replies show it."""
    return {
        "name": stored.name,
        "owner": stored.owner,
        "description": stored.description,
        "project": stored.project,
        "state": stored.state,
        "digest": stored.digest,
        "updated": stored.updated,
    }
