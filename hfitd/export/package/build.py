"""Building one package: parts side by side, archive in order, manifest last.

Members of one source share its snapshot and are rendered one after another, but for those that stand apart, which share
its connections; sources and files run beside each other.
The archive takes members in their final order as they become ready, so its first bytes can leave while later ones
are still being rendered. Whatever goes wrong, every part is removed and the caller sees the error.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeVar

from hfitd.errors import ResidueFound, TemplateInvalid
from hfitd.export.items.interface import Built, Member
from hfitd.export.package.archive import ArchiveWriter
from hfitd.export.package.codec import Codec
from hfitd.export.package.context import PackageContext
from hfitd.export.package.manifest import MANIFEST, SIGNATURE, TIMESTAMPS, MemberEntry, canonical_json, package_digest
from hfitd.export.package.part import Budget, PartWriter
from hfitd.export.package.readme import write_readme
from hfitd.export.package.residue import Residue, finish_tap
from hfitd.export.sources import SourceKey
from hfitd.export.subset.order import load_groups
from hfitd.model import Json, TableName

T = TypeVar("T")

SIDE_BY_SIDE = 4  # members of one source; more than a snapshot has connections gain nothing


@dataclass(frozen=True, slots=True)
class Finished:
    """A complete archive."""

    size: int
    sha256: str  # of the archive file, hex
    package_digest: str
    members: tuple[MemberEntry, ...]


@dataclass(frozen=True, slots=True)
class _Part:
    writer: PartWriter
    built: Built


class PackageBuild:
    """One run. ``grown`` is called with the archive's size whenever more can be read, ``done`` per member."""

    def __init__(
        self,
        directory: Path,
        codec: Codec,
        *,
        executor: Executor,
        budget: Budget,
        grown: Callable[[int], None],
        member_done: Callable[[MemberEntry], None],
        residue: Residue | None = None,
    ) -> None:
        self._directory = directory
        self._codec = codec
        self._executor = executor
        self._budget = budget
        self._grown = grown
        self._member_done = member_done
        self._residue = residue or Residue("off")
        self._writers: list[PartWriter] = []
        self._over = False

    async def run(self, members: Sequence[Member], context: PackageContext, file: BinaryIO) -> Finished:
        """Build everything into ``file``; on any failure no part stays."""
        refuse_collisions(members)
        futures = {member.path: asyncio.get_running_loop().create_future() for member in members}
        try:
            async with asyncio.TaskGroup() as tasks:
                for group in _groups(members):
                    tasks.create_task(self._build_group(group, futures))
                assembly = tasks.create_task(self._assemble(members, futures, context, file))
            return assembly.result()
        except BaseExceptionGroup as group:
            raise _first_cause(group) from group
        finally:
            self._over = True
            for future in futures.values():
                future.cancel()
            for writer in self._writers:
                await writer.discard()

    async def _build_group(self, group: Sequence[Member], futures: Mapping[str, asyncio.Future[_Part]]) -> None:
        places = asyncio.Semaphore(SIDE_BY_SIDE)
        for batch in _batches(group):
            async with asyncio.TaskGroup() as tasks:
                for member in batch:
                    tasks.create_task(self._build_in_turn(member, places, futures))

    async def _build_in_turn(
        self, member: Member, places: asyncio.Semaphore, futures: Mapping[str, asyncio.Future[_Part]]
    ) -> None:
        async with places:
            await self._build_member(member, futures)

    async def _build_member(self, member: Member, futures: Mapping[str, asyncio.Future[_Part]]) -> None:
        path = self._directory / hashlib.sha256(member.path.encode()).hexdigest()
        writer = PartWriter(path, self._codec, self._executor, self._budget)
        self._writers.append(writer)
        sink = self._residue.tap(member.path, member.table or "", writer)
        built = await member.build(sink)
        finish_tap(sink)
        self._budget.take_rows(built.rows or 0)
        await writer.close()
        futures[member.path].set_result(_Part(writer, built))

    async def _assemble(
        self,
        members: Sequence[Member],
        futures: Mapping[str, asyncio.Future[_Part]],
        context: PackageContext,
        file: BinaryIO,
    ) -> Finished:
        archive = ArchiveWriter(file, self._codec, context.package_name)
        orders = load_orders(members)
        entries: list[MemberEntry] = []
        times: dict[str, Json] = {}
        readme = write_readme(context, members, orders)
        texts = {"README.md": readme} | {f"METADATA/{name}": text for name, text in _metadata(context).items()}
        by_path = {member.path: member for member in members}
        begun = False
        tell = partial(self._tell_soon, asyncio.get_running_loop())
        for path in sorted([*by_path, *texts], key=_archive_order):
            if path in texts:
                entry = await self._add_text(archive, path, texts[path])
                self._member_done(entry)
            else:
                part = await futures[path]
                entry = _entry(by_path[path], part, context, orders)
                if part.built.modtime is not None:
                    times[path] = _timestamp(datetime.fromtimestamp(part.built.modtime, UTC))
                self._member_done(entry)  # before any of it leaves: its rows count against who gets them
                await self._in_thread(partial(archive.add_part, path, part.writer.size, part.writer.path, tell))
                await part.writer.discard()
            entries.append(entry)
            begun = begun or path in by_path
            if begun:  # before its first member a job may have to begin anew, so nobody gets the words in front of it
                self._grown(archive.size)
        await self._close(archive, entries, times, context)
        sha256 = await self._in_thread(archive.close)
        self._grown(archive.size)
        return Finished(archive.size, sha256, package_digest(entries), tuple(entries))

    def _tell_soon(self, loop: asyncio.AbstractEventLoop, size: int) -> None:
        """From a thread: of a large part the first pieces leave before the last are in the archive."""
        loop.call_soon_threadsafe(self._tell, size)

    def _tell(self, size: int) -> None:
        if not self._over:  # a thread may be at work a moment longer than the job, which then begins anew
            self._grown(size)

    async def _add_text(self, archive: ArchiveWriter, path: str, content: bytes) -> MemberEntry:
        await self._in_thread(lambda: archive.add_bytes(path, content))
        kind = "metadata" if path.startswith("METADATA/") else "readme"
        return MemberEntry(path, len(content), hashlib.sha256(content).hexdigest(), kind)

    async def _close(
        self, archive: ArchiveWriter, entries: list[MemberEntry], times: Mapping[str, Json], context: PackageContext
    ) -> None:
        now = datetime.now(UTC)
        created = _timestamp(now)
        snapshots: dict[str, Json] = {
            f"{key.provider}/{key.database}": _timestamp(source.opened) for key, source in context.sources.items()
        }
        stamps = canonical_json({"created": created, "snapshots": snapshots, "files": dict(times)})
        entry = await self._add_text(archive, TIMESTAMPS, stamps)
        entries.append(entry)
        self._member_done(entry)
        self._grown(archive.size)
        alarms = self._residue.alarms()
        if alarms and self._residue.refuses:
            raise ResidueFound(resource=alarms[0].member)
        document = _manifest(entries, now, context) | {"alarms": [alarm.document() for alarm in alarms]}
        manifest = canonical_json(document)
        signature = context.sign(manifest).encode()
        await self._in_thread(lambda: archive.add_bytes(MANIFEST, manifest))
        await self._in_thread(lambda: archive.add_bytes(SIGNATURE, signature))

    async def _in_thread(self, step: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, step)


def _manifest(entries: Sequence[MemberEntry], created: datetime, context: PackageContext) -> dict[str, Json]:
    opened = [source.opened for source in context.sources.values()]
    lifetime = context.lifetime_seconds
    skew = (max(opened) - min(opened)).total_seconds() if opened else 0.0
    return {
        "format": 1,
        "package_name": context.package_name,
        "package_digest": package_digest(entries),
        "template": {"name": context.template_name, "digest": context.template_digest},
        "plan_digest": context.plan_digest,
        "parameters": dict(context.parameters),
        "sources": [context.sources[key].document() for key in sorted(context.sources)],
        "snapshot_skew_seconds": skew,
        "policy": {"version": context.policy_version},
        "server": context.origin,
        "created": _timestamp(created),
        "expires": None if lifetime is None else _timestamp(created + timedelta(seconds=lifetime)),
        "approval": None if context.approval is None else dict(context.approval),
        "members": [entry.document() for entry in entries],
    }


def _entry(member: Member, part: _Part, context: PackageContext, orders: Mapping[str, int]) -> MemberEntry:
    source = context.sources[member.source] if member.source else None
    return MemberEntry(
        member.path,
        part.writer.size,
        part.writer.sha256,
        member.kind,
        rows=part.built.rows,
        provider=source.key.provider if source else None,
        engine=source.engine if source else None,
        table=member.table,
        load_order=orders.get(member.path),
        masks={**member.masks, **part.built.masks},
        tables=part.built.tables,
        details={**member.details, **part.built.details},
    )


def _metadata(context: PackageContext) -> dict[str, bytes]:
    return {
        "template.yaml": context.template_text.encode(),
        "input.json": canonical_json(dict(context.parameters)),
        "replacement.json": canonical_json({name: dict(entry) for name, entry in context.variables.items()}),
    }


def _archive_order(path: str) -> tuple[bool, bytes]:
    return path.startswith("METADATA/"), path.encode()


def _groups(members: Sequence[Member]) -> list[list[Member]]:
    """Members that must not run beside each other, each group in archive order."""
    groups: dict[SourceKey | None, list[Member]] = {}
    for member in sorted(members, key=lambda m: _archive_order(m.path)):
        groups.setdefault(member.source, []).append(member)
    return list(groups.values())


def _batches(group: Sequence[Member]) -> list[list[Member]]:
    """Neighbours that stand apart together, every other member alone."""
    batches: list[list[Member]] = []
    for member in group:
        if batches and member.apart and batches[-1][-1].apart:
            batches[-1].append(member)
        else:
            batches.append([member])
    return batches


def load_orders(members: Sequence[Member]) -> dict[str, int]:
    """Where each SQL member stands when loading: DDL, then data with parents before children, then constraints."""
    ddl = [member for member in members if member.kind == "ddl"]
    data = [member for member in members if member.kind == "data"]
    parents = {_node(member.table or member.path): [_node(name) for name in member.after] for member in data}
    position = {node: number for number, group in enumerate(load_groups(parents, parents)) for node in group}
    ordered = sorted(data, key=lambda m: (position[_node(m.table or m.path)], m.path.encode()))
    last = [member for member in members if member.kind == "constraints"]
    return {member.path: number for number, member in enumerate([*ddl, *ordered, *last], start=1)}


def _node(table: str) -> TableName:
    return TableName("", table)


def refuse_collisions(members: Sequence[Member]) -> None:
    """TemplateInvalid when two files of a package would have the same name, also where case does not count."""
    seen: dict[str, str] = {"readme.md": "README.md"}
    for member in members:
        folded = member.path.casefold()
        if folded in seen:
            raise TemplateInvalid("Two files of this package would have the same name.", resource=member.path)
        seen[folded] = member.path


def _first_cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            return _first_cause(error)
        if not isinstance(error, asyncio.CancelledError):
            return error
    return group.exceptions[0]


def _timestamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
