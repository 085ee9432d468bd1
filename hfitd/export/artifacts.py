"""Finished packages: files on disk, an index in the store, and who may have them.

1. The cache key is an HMAC over everything that decides the bytes (contract, ruling 18), so one policy's package is
   never another's.
2. A package id answers only to principals whose own request obtained it, and only while their roles and the policy
   are what they were; otherwise it does not exist (ruling 12).
3. The file is plain, mode 0600, and its digest is checked before it is first served after a start or a change; small
   ones are then kept in memory.
4. With a depot the folder is this instance's own; what it does not have is fetched, once for all who ask, and checked
   like any file. What the store no longer knows is removed from both.
5. Who may have a package is asked of the store every five seconds at the longest; a package that is taken back here is
   gone here at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import re
import shutil
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from hfitd.errors import Conflict, NotFound, StoreUnavailable
from hfitd.export.contents import Contents, read_contents
from hfitd.export.depot import Depot
from hfitd.export.kept import ARCHIVES, KeptArchives
from hfitd.export.package.manifest import canonical_json
from hfitd.model import Actor, Json
from hfitd.store.fields import timestamp_of
from hfitd.store.interface import Store

COPY_SIZE = 1 << 20
TRUST_SECONDS = 5.0  # as with tokens: what another instance takes back is gone everywhere after this
ASKED_AGAIN = 0.8  # of that: before it is over, so that what asks nobody goes on for who stays busy
SETTLED_SECONDS = 300.0  # an archive is on record long before
SMALL_BYTES = 256 * 1024
MEMORY_BYTES = 16 << 20  # of small packages
_REMEMBERED = 10_000
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
PRIVATE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Artifact:
    """A finished package as the index remembers it."""

    id: str
    cache_key: str
    file_name: str
    package_name: str
    compression: str
    template: str
    plan_digest: str
    package_digest: str
    size: int
    sha256: str
    rows: int
    effective: str  # digest of the policy and roles it was made under
    contents: Contents
    created: float
    expires: float
    approval: Mapping[str, str] | None = None  # the one it was made under, see ``Approval.document``


def describe_artifact(artifact: Artifact) -> dict[str, Json]:
    """A finished package as its holder sees it in a list."""
    return {
        "id": artifact.id,
        "package_name": artifact.package_name,
        "template": artifact.template,
        "package_digest": artifact.package_digest,
        "compression": artifact.compression,
        "size": artifact.size,
        "rows": artifact.rows,
        "created": timestamp_of(artifact.created),
        "expires": timestamp_of(artifact.expires),
    }


def effective_policy(version: str, actor: Actor) -> str:
    """Digest of what decides an actor's view: ``Sources.version`` and their roles."""
    return hashlib.sha256(canonical_json([version, sorted(actor.roles)])).hexdigest()


class Artifacts:
    """The index, the folder and perhaps a depot. ``secret`` keys the cache keys."""

    def __init__(
        self,
        store: Store,
        folder: Path,
        secret: bytes,
        *,
        ttl_seconds: float,
        max_bytes: int,
        depot: Depot | None = None,
    ) -> None:
        self._store = store
        self._depot = depot
        self._coming: dict[str, asyncio.Task[bool]] = {}
        self.folder = folder
        self._secret = secret
        self.ttl_seconds = ttl_seconds
        self._max_bytes = max_bytes
        self._kept = KeptArchives(folder, max_bytes=max_bytes, ttl_seconds=ttl_seconds)
        self._checked: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._open_to: OrderedDict[tuple[str, str], tuple[float, Artifact]] = OrderedDict()
        self._small: OrderedDict[str, bytes] = OrderedDict()
        self._small_bytes = 0
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def cache_key(self, parts: Mapping[str, Json]) -> str:
        """(1) The HMAC of everything that decides the bytes."""
        return hmac.new(self._secret, canonical_json(parts), hashlib.sha256).hexdigest()

    async def find(self, cache_key: str) -> Artifact | None:
        """The finished package for that key, if it is whole and has not expired."""
        artifact = await self._load(f"artifact:{cache_key}")
        return artifact if artifact is not None and await self._usable(artifact) else None

    async def finished(self, package_id: str) -> Artifact | None:
        """The package of that id, if it is whole and has not expired; whoever may have it."""
        artifact = await self._load(f"package:{package_id}")
        return artifact if artifact is not None and await self._usable(artifact) else None

    def publish(self, built: Path, artifact: Artifact) -> None:
        """Give a built archive its place, complete from the first moment; ``built`` stays until its job ends.

        Readers open the archive by name while this happens, so there is no moment without one. Blocks.
        """
        target = self.path(artifact)
        try:
            os.link(built, target)
        except OSError:  # another file system
            partial = target.with_name(f".{target.name}.part")
            try:
                with built.open("rb") as source, os.fdopen(os.open(partial, PRIVATE, 0o600), "wb") as copy:
                    shutil.copyfileobj(source, copy, COPY_SIZE)
                    copy.flush()
                    os.fsync(copy.fileno())
                partial.replace(target)
            finally:
                partial.unlink(missing_ok=True)

    async def add(self, artifact: Artifact) -> None:
        """Put a published package on record, for every instance, and make room for it; StoreUnavailable."""
        if self._depot is not None:
            await self._depot.put(artifact.file_name, self.path(artifact))
        document = json.dumps(asdict(artifact)).encode()
        await self._store.write(f"artifact:{artifact.cache_key}", document, ttl_seconds=self.ttl_seconds)
        await self._store.write(f"package:{artifact.id}", document, ttl_seconds=self.ttl_seconds)
        await asyncio.to_thread(self._kept.make_room, artifact.file_name, artifact.size)

    async def grant(self, package_id: str, actor: Actor) -> None:
        """(2) Remember that this principal's own request obtained the package."""
        key = _grant_key(package_id, actor)
        with contextlib.suppress(Conflict):  # it is remembered already
            await self._store.write(key, actor.email.encode(), expect=0, ttl_seconds=self.ttl_seconds)
            await self._store.write(_held_key(package_id, actor), b"", ttl_seconds=self.ttl_seconds)

    async def granted(self, package_id: str, actor: Actor) -> bool:
        """(2) Whether it was this principal's own request."""
        return await self._store.read(_grant_key(package_id, actor)) is not None

    async def open_for(self, package_id: str, actor: Actor, version: str) -> Artifact:
        """(2) The package, for who may still have it; NotFound for everybody else."""
        artifact = await self._open_to_actor(package_id, actor)
        if artifact.effective != effective_policy(version, actor) or not await self._usable(artifact):
            raise no_package(package_id)
        return artifact

    async def _open_to_actor(self, package_id: str, actor: Actor) -> Artifact:
        """(5) What the store says now, or said a moment ago."""
        place, now = (package_id, actor.email), time.monotonic()
        said, known = self._open_to.get(place, (0.0, None))
        if known is not None and now - said < ASKED_AGAIN * TRUST_SECONDS:
            return known
        artifact = await self._load(f"package:{package_id}")
        if artifact is None or not await self.granted(package_id, actor):
            self._open_to.pop(place, None)
            raise no_package(package_id)
        self._open_to[place] = (now, artifact)
        self._open_to.move_to_end(place)
        while now - next(iter(self._open_to.values()))[0] >= TRUST_SECONDS:  # what nobody trusts any more
            self._open_to.popitem(last=False)
        return artifact

    def is_open_to(self, artifact: Artifact, actor: Actor) -> bool:
        """(5) Whether ``open_for`` would give the package without asking the store; roles and policy are looked at by
        the caller."""
        said, known = self._open_to.get((artifact.id, actor.email), (0.0, None))
        fresh = known is not None and time.monotonic() - said < TRUST_SECONDS
        return fresh and artifact.expires >= time.time()

    async def content(self, artifact: Artifact) -> bytes | None:
        """(3) All of a small package that is usable; None for a larger one, whose file has to be sent."""
        if artifact.size > SMALL_BYTES:
            return None
        kept = self._small.get(artifact.sha256)
        if kept is None:
            try:
                kept = await asyncio.to_thread(self.path(artifact).read_bytes)
            except OSError as error:
                raise no_package(artifact.id) from error
            if hashlib.sha256(kept).hexdigest() != artifact.sha256:
                raise no_package(artifact.id)
            if artifact.sha256 not in self._small:
                self._small[artifact.sha256] = kept
                self._small_bytes += len(kept)
        self._small.move_to_end(artifact.sha256)
        while self._small_bytes > MEMORY_BYTES:
            self._small_bytes -= len(self._small.popitem(last=False)[1])
        return kept

    async def holders(self) -> list[tuple[Artifact, list[str]]]:
        """Every package that can still be fetched, the newest first, with the people who may fetch it."""
        found: list[tuple[Artifact, list[str]]] = []
        for key in await self._store.keys("package:"):
            artifact = await self._load(key)
            if artifact is not None and artifact.expires > time.time():
                grants = [await self._store.read(grant) for grant in await self._store.keys(f"grant:{artifact.id}:")]
                found.append((artifact, sorted(grant.value.decode() for grant in grants if grant is not None)))
        return sorted(found, key=lambda item: item[0].created, reverse=True)

    async def held_by(self, actor: Actor, version: str) -> list[Artifact]:
        """What this actor can fetch again, the newest first (2)."""
        effective = effective_policy(version, actor)
        listed = [key.rpartition(":")[2] for key in await self._store.keys(_held_key("", actor))]
        ids = [package_id for package_id in listed if await self.granted(package_id, actor)]
        found = [await self._load(f"package:{package_id}") for package_id in ids]
        still = [one for one in found if one and one.effective == effective and one.expires > time.time()]
        return sorted(still, key=lambda one: one.created, reverse=True)

    async def revoke(self, package_id: str) -> Artifact:
        """Take a package back: nobody may fetch it again, here or at any instance. NotFound."""
        artifact = await self._load(f"package:{package_id}") if _ID.fullmatch(package_id) else None
        if artifact is None:
            raise no_package(package_id)
        for grant in await self._store.keys(f"grant:{artifact.id}:"):
            await self._store.delete(grant)
        await self._store.delete(f"package:{artifact.id}")
        current = await self._load(f"artifact:{artifact.cache_key}")
        if current is not None and current.id == artifact.id:
            await self._store.delete(f"artifact:{artifact.cache_key}")
        for place in [place for place in self._open_to if place[0] == artifact.id]:
            del self._open_to[place]
        await asyncio.to_thread(self.path(artifact).unlink, missing_ok=True)
        if self._depot is not None:
            await self._depot.remove(artifact.file_name)
        return artifact

    async def remove_expired(self) -> None:
        """Remove files whose package has expired, was taken back or never got on record; StoreUnavailable."""
        await asyncio.to_thread(self._kept.make_room)
        here = await asyncio.to_thread(lambda: [(file.name, file.modified) for file in self._kept.files()])
        for name in await self._unknown(here):
            (self.folder / name).unlink(missing_ok=True)
        if self._depot is not None:
            await self._tidy_depot(self._depot)

    async def _tidy_depot(self, depot: Depot) -> None:
        files = sorted(await depot.kept(), key=lambda file: file.modified)
        useless = set(await self._unknown([(file.name, file.modified) for file in files]))
        total = sum(file.size for file in files if file.name not in useless)
        for file in files:
            if file.name not in useless and total > self._max_bytes:
                total -= file.size
                useless.add(file.name)
        for name in useless:
            await depot.remove(name)

    async def _unknown(self, files: Sequence[tuple[str, float]]) -> list[str]:
        """Of archives with their times, those that no package on record has; a fresh one may still get on record."""
        settled = time.time() - SETTLED_SECONDS
        old = [name for name, modified in files if modified < settled and name.endswith(ARCHIVES)]
        records = [await self._store.read(f"package:{name.partition('.')[0]}") for name in old]
        return [name for name, record in zip(old, records, strict=True) if record is None]

    def path(self, artifact: Artifact) -> Path:
        """Where its file lies."""
        return self.folder / artifact.file_name

    async def _load(self, key: str) -> Artifact | None:
        record = await self._store.read(key)
        if record is None:
            return None
        document = json.loads(record.value)
        return Artifact(**{**document, "contents": read_contents(document["contents"])})

    async def _usable(self, artifact: Artifact) -> bool:
        if artifact.expires < time.time():
            return False
        try:
            stat = self.path(artifact).stat()
        except OSError:
            if not await self._fetch(artifact):
                return False
            stat = self.path(artifact).stat()
        if stat.st_size != artifact.size:
            return False
        identity = (stat.st_ino, stat.st_mtime_ns)
        if self._checked.get(artifact.id) != identity:  # (3)
            if await asyncio.to_thread(_file_digest, self.path(artifact)) != artifact.sha256:
                return False
            self._checked[artifact.id] = identity
            if len(self._checked) > _REMEMBERED:
                self._checked.popitem(last=False)
        return True

    async def _fetch(self, artifact: Artifact) -> bool:
        """(4) From the depot into the folder; False when it has none, or does not answer."""
        if self._depot is None:
            return False
        coming = self._coming.get(artifact.id)
        if coming is None:
            fetching = self._depot.fetch(artifact.file_name, self.path(artifact), artifact.size)
            coming = self._coming[artifact.id] = asyncio.create_task(fetching, name=f"fetch {artifact.id}")
            coming.add_done_callback(lambda _: self._coming.pop(artifact.id, None))
        try:
            return await asyncio.shield(coming)
        except StoreUnavailable:
            return False


def no_package(package_id: str) -> NotFound:
    """The one answer for a package that is not there, has expired, or is another's."""
    return NotFound("There is no such package, or it has expired.", resource=package_id)


def _grant_key(package_id: str, actor: Actor) -> str:
    return f"grant:{package_id}:{hashlib.sha256(actor.email.encode()).hexdigest()}"


def _held_key(package_id: str, actor: Actor) -> str:
    """Where a person's packages are listed; whether they are theirs, the grant says."""
    return f"grant-of:{hashlib.sha256(actor.email.encode()).hexdigest()}:{package_id}"


def _file_digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(COPY_SIZE):
            digest.update(chunk)
    return digest.hexdigest()
