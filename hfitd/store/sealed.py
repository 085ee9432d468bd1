"""Records that whoever can write the database of the store still cannot forge (O04).

1. The value of a sealed kind is stored as ``s1`` + version + MAC + value, with
   MAC = HMAC-SHA256(k_store, length of key || key || version || value). k_store is a file of the installation and
   never in the store, so an edited value fails.
2. The key is under the MAC: a record copied to another key fails.
3. The version is under the MAC and has to be the store's own: an old copy put over a newer version fails, unless the
   version is set back with it. That remaining case, a whole older record restored, needs a trusted counter outside
   the store; it can bring back what was once true, never something new.
4. What fails is treated as absent and reported. Default is deny: no record, no user, no template, no package.
5. Who holds a lease is named with a MAC over key and name, so that nobody else can hold one, or hold it for ever.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Callable, Mapping

from hfitd.errors import Conflict, StoreUnavailable
from hfitd.store.interface import RateDecision, Record, Store
from hfitd.store.keys import kind_of

SEALED_KINDS = frozenset({
    "user", "template", "template-version", "policy", "approval", "artifact", "package", "grant",
    "access-request", "access-loan", "console-ticket", "console-session", "schema", "nonce",
    "progress",
})  # fmt: skip
_MAGIC = b"s1"
_HEAD = struct.Struct(">2sQ32s")
_ATTEMPTS = 20


class SealedStore:
    """A Store whose records of ``kinds`` are sealed; everything else passes through unchanged."""

    def __init__(
        self,
        inner: Store,
        secret: bytes,
        on_tampered: Callable[[str], None],
        kinds: frozenset[str] = SEALED_KINDS,
    ) -> None:
        self._inner = inner
        self._secret = secret
        self._on_tampered = on_tampered
        self._kinds = kinds

    async def read(self, key: str) -> Record | None:
        """See Store; a record that was not written by this installation is None and reported."""
        record = await self._inner.read(key)
        if record is None or kind_of(key) not in self._kinds:
            return record
        value = self._open(key, record.value, record.version)
        if value is None:
            self._on_tampered(key)  # 4
            return None
        return Record(value, record.version)

    async def write(
        self, key: str, value: bytes, *, expect: int | None = None, ttl_seconds: float | None = None
    ) -> int:
        """See Store."""
        if kind_of(key) not in self._kinds:
            return await self._inner.write(key, value, expect=expect, ttl_seconds=ttl_seconds)
        for _ in range(_ATTEMPTS):
            current = await self._current(key, expect)
            sealed = self._seal(key, value, current + 1)
            try:
                return await self._inner.write(key, sealed, expect=current, ttl_seconds=ttl_seconds)
            except Conflict:
                if expect is not None:
                    raise
        raise StoreUnavailable("Too many writers change one record; try again.", retry_after_seconds=1)

    async def write_all(self, values: Mapping[str, tuple[bytes, int | None]]) -> None:
        """See Store."""
        for _ in range(_ATTEMPTS):
            try:
                await self._inner.write_all(await self._seal_all(values))
            except Conflict:
                if all(expect is not None or kind_of(key) not in self._kinds for key, (_, expect) in values.items()):
                    raise
                await self._check_expected(values)
            else:
                return
        raise StoreUnavailable("Too many writers change one record; try again.", retry_after_seconds=1)

    async def delete(self, key: str) -> bool:
        """See Store."""
        return await self._inner.delete(key)

    async def keys(self, prefix: str) -> list[str]:
        """See Store; the list may name a forged record, reading it says None."""
        return await self._inner.keys(prefix)

    async def mend(self) -> None:
        """See Store."""
        await self._inner.mend()

    async def take(self, key: str) -> bytes | None:
        """See Store."""
        value = await self._inner.take(key)
        if value is None or kind_of(key) not in self._kinds:
            return value
        opened = self._open(key, value, None)
        if opened is None:
            self._on_tampered(key)  # 4
        return opened

    async def add(self, key: str, amount: int = 1, *, ttl_seconds: float | None = None) -> int:
        """See Store."""
        return await self._inner.add(key, amount, ttl_seconds=ttl_seconds)

    async def add_within(
        self, key: str, amount: int, *, limit: int, ttl_seconds: float | None = None
    ) -> int | None:
        """See Store."""
        return await self._inner.add_within(key, amount, limit=limit, ttl_seconds=ttl_seconds)

    async def allow(self, key: str, *, limit: int, period_seconds: float, cost: int = 1) -> RateDecision:
        """See Store."""
        return await self._inner.allow(key, limit=limit, period_seconds=period_seconds, cost=cost)

    async def acquire(self, key: str, owner: str, ttl_seconds: float) -> bool:
        """See Store; a holder that this installation did not name holds nothing and is reported (5)."""
        named = self._name(key, owner)
        if await self._inner.acquire(key, named, ttl_seconds):
            return True
        holder = await self._inner.holder(key)
        if holder is None or self._owner(key, holder) is not None:
            return False
        self._on_tampered(key)
        await self._inner.release(key, holder)
        return await self._inner.acquire(key, named, ttl_seconds)

    async def release(self, key: str, owner: str) -> None:
        """See Store."""
        await self._inner.release(key, self._name(key, owner))

    async def holder(self, key: str) -> str | None:
        """See Store; None for a holder that this installation did not name (5)."""
        named = await self._inner.holder(key)
        return None if named is None else self._owner(key, named)

    async def ping(self) -> None:
        """See Store."""
        await self._inner.ping()

    async def close(self) -> None:
        """See Store."""
        await self._inner.close()

    async def _current(self, key: str, expect: int | None) -> int:
        """The inner version to replace. A forged record is no record: creating may replace it."""
        if expect is not None and expect > 0:
            return expect
        record = await self._inner.read(key)
        if record is None:
            return 0
        if expect == 0 and self._open(key, record.value, record.version) is not None:
            raise Conflict()
        return record.version

    async def _seal_all(self, values: Mapping[str, tuple[bytes, int | None]]) -> dict[str, tuple[bytes, int | None]]:
        sealed: dict[str, tuple[bytes, int | None]] = {}
        for key, (value, expect) in values.items():
            if kind_of(key) in self._kinds:
                current = await self._current(key, expect)
                sealed[key] = (self._seal(key, value, current + 1), current)
            else:
                sealed[key] = (value, expect)
        return sealed

    async def _check_expected(self, values: Mapping[str, tuple[bytes, int | None]]) -> None:
        """Conflict if it was a version the caller named; nothing if only one that we looked up ourselves."""
        for key, (_, expect) in values.items():
            record = await self.read(key) if expect is not None else None
            if expect is not None and expect != (0 if record is None else record.version):
                raise Conflict()

    def _seal(self, key: str, value: bytes, version: int) -> bytes:
        return _HEAD.pack(_MAGIC, version, self._mac(key, value, version)) + value

    def _open(self, key: str, sealed: bytes, version: int | None) -> bytes | None:
        if len(sealed) < _HEAD.size:
            return None
        magic, inner_version, mac = _HEAD.unpack_from(sealed)
        value = sealed[_HEAD.size :]
        if magic != _MAGIC or not hmac.compare_digest(mac, self._mac(key, value, inner_version)):  # 1, 2
            return None
        if version is not None and version != inner_version:  # 3
            return None
        return value

    def _name(self, key: str, owner: str) -> str:
        return f"{owner}~{self._mac(key, owner.encode(), 0).hex()[:32]}"

    def _owner(self, key: str, named: str) -> str | None:
        owner = named.rpartition("~")[0]
        given = self._name(key, owner).encode() if owner.isascii() else b""
        return owner if hmac.compare_digest(given, named.encode("utf-8", "replace")) else None

    def _mac(self, key: str, value: bytes, version: int) -> bytes:
        name = key.encode("ascii", "backslashreplace")
        return hmac.new(self._secret, struct.pack(">IQ", len(name), version) + name + value, hashlib.sha256).digest()
