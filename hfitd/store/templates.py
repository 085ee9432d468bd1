"""The templates that people keep: names per owner, versions that never change.

``template:<owner>:<name>`` says which version is current and whose business it is; ``template-version:<digest>`` is
the text, addressed by its SHA-256. Both are sealed, both move together. ``template-shared:<name>:<owner>`` is there for
each that is shared, so that one is found by its bare name without a look at everybody's; it only says where to look.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import cast

from hfitd.errors import BadRequest, Conflict, NotFound, StoreUnavailable
from hfitd.store.emails import normalise_email
from hfitd.store.fields import dump_fields, load_fields, timestamp_now
from hfitd.store.interface import Store
from hfitd.store.keys import check_key, key_of, parts_of

_KIND = "template"
_VERSION_KIND = "template-version"
_SHARED_KIND = "template-shared"
_STATES = ("draft", "shared")
_SHAPE = dict.fromkeys(("name", "owner", "digest", "state", "project", "description", "created", "updated"), str)


@dataclass(frozen=True, slots=True)
class NewTemplate:
    """What somebody wants to keep; the text has been checked by ``export.template`` before."""

    name: str
    text: str
    project: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class StoredTemplate:
    """A kept template. ``state`` is "draft" (its owner's only) or "shared" (everybody's to see).

    Whether it is approved is said by its latest approval alone, see ``approvals``.
    """

    name: str
    owner: str
    text: str
    digest: str
    state: str
    project: str
    description: str
    created: str
    updated: str


@dataclass(frozen=True, slots=True)
class _Head:
    template: StoredTemplate  # text is empty
    version: int


class Templates:
    """Templates by owner and name.

    1. Another owner's draft is NotFound, exactly like a name that nobody has (T13).
    2. Names and owners are encoded in the key: ``:`` or ``_`` in a name reach nobody else's template (T13).
    3. Templates belong to a person, not to an address: those of a user who is removed are retired under a name that no
       address can have, so whoever is added under the same address later owns none of them (T13).
    4. A version is addressed by the digest of its text and never changes: what was approved stays what it was (T13).
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, name: str, for_email: str) -> StoredTemplate:
        """The template called ``name`` or ``owner:name`` that this user may see; one's own goes first.

        NotFound, or BadRequest with the full names when several others share one of that name.
        """
        asker = normalise_email(for_email)
        head = await self._head(asker, name)
        if head is None:
            head = await self._find_shared(name)
        return await self._with_text(head.template)

    async def shared(self, name: str) -> StoredTemplate:
        """The template that somebody shares as ``name`` or ``owner:name``, without its text; errors as of ``get``."""
        return (await self._find_shared(name)).template

    async def version(self, digest: str) -> str | None:
        """The text of a version that is or was some template's, or None (4)."""
        record = await self._store.read(key_of(_VERSION_KIND, digest))
        if record is None:
            return None
        text = record.value.decode()
        if text_digest(text) != digest:
            raise StoreUnavailable("A version of a template is damaged in the store.", resource=digest)
        return text

    async def visible(self, email: str) -> list[StoredTemplate]:
        """One's own and everybody's shared ones, by name and owner."""
        asker = normalise_email(email)
        own, shared = await asyncio.gather(
            self._store.keys(key_of(_KIND, asker, "")), self._store.keys(f"{_SHARED_KIND}:")
        )
        heads = await asyncio.gather(*(self._read(key) for key in {*own, *map(_head_key, shared)}))
        seen = [head.template for head in heads if head and (head.template.owner == asker or _is_open(head))]  # 1
        texts = await asyncio.gather(*(self._with_text(template) for template in seen))
        return sorted(texts, key=lambda template: (template.name, template.owner))

    async def every(self) -> list[StoredTemplate]:
        """All of them without their texts, for the administrator."""
        heads = await asyncio.gather(*(self._read(key) for key in await self._store.keys(f"{_KIND}:")))
        return sorted((head.template for head in heads if head), key=lambda t: (t.name, t.owner))

    async def create(self, owner: str, new: NewTemplate) -> StoredTemplate:
        """Keep a new one as a draft; Conflict when the owner has one of that name."""
        template = _first(normalise_email(owner), new)
        try:
            await self._store.write_all(_records(template, 0))
        except Conflict as error:
            raise Conflict(
                "You have a template of this name already.", resource=new.name, suggestions=["Update it instead."]
            ) from error
        return template

    async def update(self, owner: str, new: NewTemplate, *, expect_digest: str | None = None) -> StoredTemplate:
        """Replace the text of one's own template; NotFound, or Conflict when it is not at ``expect_digest``."""
        head = await self._own(owner, new.name)
        if expect_digest is not None and head.template.digest != expect_digest:
            raise Conflict("The template was changed meanwhile.", resource=new.name)
        template = _next(head.template, new)
        await self._store.write_all(_records(template, head.version))
        return template

    async def delete(self, owner: str, name: str) -> None:
        """Remove one's own template; its versions stay, as packages and the audit name them. NotFound."""
        template = (await self._own(owner, name)).template
        await self._remove(template.owner, template.name)

    async def share(self, owner: str, name: str) -> StoredTemplate:
        """Let everybody see and run it, each with his own rights. NotFound."""
        head = await self._own(owner, name)
        template = await self._with_text(head.template)
        if template.state == "draft":
            template = replace(template, state="shared", updated=timestamp_now())
            await self._store.write_all(_records(template, head.version))
        return template

    async def retire(self, owner: str) -> int:
        """Take their templates from a user who is removed, and say how many; what they shared goes on being shared (3).

        The new owner's name is ``ADDRESS~TAG``. A template that somebody changes meanwhile is Conflict.
        """
        address = normalise_email(owner)
        label = f"{address}~{secrets.token_hex(4)}"
        names = [parts_of(key)[1] for key in await self._store.keys(key_of(_KIND, address, ""))]
        for name in names:
            template = await self._with_text((await self._own(address, name)).template)
            await self._store.write_all(_records(replace(template, owner=label), 0))
            await self._remove(address, name)
        return len(names)

    async def point_to_shared(self) -> None:
        """Make up for pointers that are missing: of templates that a program shared which knew none."""
        known = {_head_key(key) for key in await self._store.keys(f"{_SHARED_KIND}:")}
        for key in set(await self._store.keys(f"{_KIND}:")) - known:
            head = await self._read(key)
            if head is not None and _is_open(head):
                await self._store.write(_shared_key(head.template), b"")

    async def put_bundle(
        self, owner: str, news: Sequence[NewTemplate], *, dry_run: bool = False
    ) -> list[tuple[str, str]]:
        """Create or update all or none; says of each name "new", "updated" or "untouched", in the order given.

        Conflict when one of them changes meanwhile; BadRequest when a name stands twice.
        """
        address = normalise_email(owner)
        if len({new.name for new in news}) < len(news):
            raise BadRequest("A template stands twice in the bundle.")
        results: list[tuple[str, str]] = []
        records: dict[str, tuple[bytes, int | None]] = {}
        for new in news:
            head = await self._head(address, new.name)
            if head is None:
                records |= _records(_first(address, new), 0)
                results.append((new.name, "new"))
            elif head.template.digest == text_digest(new.text):
                results.append((new.name, "untouched"))
            else:
                records |= _records(_next(head.template, new), head.version)
                results.append((new.name, "updated"))
        if records and not dry_run:
            await self._store.write_all(records)
        return results

    async def _remove(self, owner: str, name: str) -> None:
        """The head first: a pointer to nothing finds nothing."""
        await self._store.delete(_key(owner, name))
        await self._store.delete(key_of(_SHARED_KIND, name, owner))

    async def _own(self, owner: str, name: str) -> _Head:
        head = await self._head(normalise_email(owner), name)
        if head is None:
            raise NotFound("You have no template of this name.", resource=name)
        return head

    async def _find_shared(self, name: str) -> _Head:
        owner, colon, rest = name.partition(":")
        if colon:
            head = await self._read(_key(owner.lower(), rest))
            if head is not None and _is_open(head):
                return head
        try:
            places = [_head_key(key) for key in await self._store.keys(key_of(_SHARED_KIND, name, ""))]
        except ValueError:
            places = []  # no name that anybody could have given (2)
        heads = [head for head in [await self._read(key) for key in places] if head is not None and _is_open(head)]
        if not heads:
            raise NotFound("There is no template of this name.", resource=name)  # 1
        if len(heads) > 1:
            full = [f"Use {head.template.owner}:{name}" for head in heads]
            raise BadRequest("Several people share a template of this name.", resource=name, suggestions=full)
        return heads[0]

    async def _head(self, owner: str, name: str) -> _Head | None:
        """One's own by ``name`` or by ``owner:name``."""
        head = await self._read(_key(owner, name))
        prefix = f"{owner}:"
        if head is None and name.lower().startswith(prefix):
            head = await self._read(_key(owner, name[len(prefix) :]))
        return head

    async def _read(self, key: str) -> _Head | None:
        record = await self._store.read(key)
        if record is None:
            return None
        fields = cast(dict[str, str], load_fields(record.value, _SHAPE))
        if _key(fields["owner"], fields["name"]) != key or fields["state"] not in _STATES:
            raise StoreUnavailable("A record of the store cannot be read by this version.")
        return _Head(StoredTemplate(text="", **fields), record.version)

    async def _with_text(self, template: StoredTemplate) -> StoredTemplate:
        text = await self.version(template.digest)
        if text is None:
            raise NotFound("The text of this template is gone; save it again.", resource=template.name)
        return replace(template, text=text)


def text_digest(text: str) -> str:
    """What names a version: SHA-256 of the text in UTF-8, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def _is_open(head: _Head) -> bool:
    return head.template.state == "shared"


def _key(owner: str, name: str) -> str:
    try:
        return check_key(key_of(_KIND, owner, name))  # 2
    except ValueError as error:
        raise NotFound("There is no template of this name.") from error


def _shared_key(template: StoredTemplate) -> str:
    return key_of(_SHARED_KIND, template.name, template.owner)


def _head_key(shared_key: str) -> str:
    name, owner = parts_of(shared_key)
    return key_of(_KIND, owner, name)


def _first(owner: str, new: NewTemplate) -> StoredTemplate:
    now = timestamp_now()
    digest = text_digest(new.text)
    return StoredTemplate(new.name, owner, new.text, digest, "draft", new.project, new.description, now, now)


def _next(old: StoredTemplate, new: NewTemplate) -> StoredTemplate:
    digest = text_digest(new.text)
    return replace(
        old,
        text=new.text,
        digest=digest,
        project=new.project,
        description=new.description,
        updated=timestamp_now(),
    )


def _records(template: StoredTemplate, expect: int) -> dict[str, tuple[bytes, int | None]]:
    fields = asdict(template)
    text = fields.pop("text")
    shared: dict[str, tuple[bytes, int | None]] = {_shared_key(template): (b"", None)}
    return (shared if template.state == "shared" else {}) | {
        # The same text is the same record whoever writes it, so its version is nobody's concern.
        key_of(_VERSION_KIND, template.digest): (text.encode(), None),
        _key(template.owner, template.name): (dump_fields(fields), expect),
    }
