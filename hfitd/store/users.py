"""The users of the gateway and their keys."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import cast

from hfitd.errors import Conflict, NotFound, StoreUnavailable
from hfitd.store.access import AccessRequests
from hfitd.store.emails import normalise_email
from hfitd.store.fields import check_fields, dump_fields, load_fields, timestamp_now
from hfitd.store.interface import Record, Store
from hfitd.store.keys import key_of, parts_of

_KIND = "user"
_EPOCH_BITS = 52  # stays a whole number in every JSON reader
_USER_SHAPE = {
    "email": str,
    "keys": list,
    "roles": list,
    "epoch": int,
    "disabled": bool,
    "created": str,
}
_KEY_SHAPE = {"line": str, "fingerprint": str, "comment": str, "added": str}


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A public key of a user: the OpenSSH line without comment, ``SHA256:...``, the comment, when it was added."""

    line: str
    fingerprint: str
    comment: str
    added: str


@dataclass(frozen=True, slots=True)
class User:
    """A user. ``epoch`` is in every token; ``version`` is the record's and makes lost updates impossible."""

    email: str
    keys: tuple[StoredKey, ...]
    roles: tuple[str, ...]
    epoch: int
    disabled: bool
    created: str
    version: int = 0


class Users:
    """Users by e-mail address, in any spelling ``normalise_email`` accepts; others are BadRequest.

    1. Every change gives the user a fresh random epoch, so tokens issued before it are dead: a removed key, a
       lowered role, a disabled user (A09).
    2. A user who is removed and made again gets a fresh one too, never the old (A10).
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, email: str) -> User | None:
        """The user, or None."""
        address = normalise_email(email)
        record = await self._store.read(key_of(_KIND, address))
        return None if record is None else _parse(address, record)

    async def list(self) -> list[User]:
        """Every user, by e-mail address."""
        found = [await self.get(parts_of(key)[0]) for key in await self._store.keys(key_of(_KIND, ""))]
        return [user for user in found if user is not None]

    async def create(self, email: str, keys: Iterable[StoredKey] = (), roles: Iterable[str] = ()) -> User:
        """Add a user; Conflict when there is one already."""
        user = User(normalise_email(email), tuple(keys), tuple(roles), _fresh_epoch(), False, timestamp_now())  # 2
        try:
            return await self._write(user)
        except Conflict as error:
            raise Conflict("This user exists already.", resource=user.email) from error

    async def save(self, user: User) -> User:
        """Replace the version that ``user`` was read as, with a fresh epoch; Conflict when it is not the latest."""
        return await self._write(replace(user, email=normalise_email(user.email), epoch=_fresh_epoch()))  # 1

    async def end_sessions(self, email: str) -> User:
        """Make every token of the user invalid; NotFound."""
        user = await self.get(email)
        if user is None:
            raise NotFound("There is no such user.", resource=email)
        return await self.save(user)

    async def remove(self, email: str) -> bool:
        """Remove the user and what they have on loan; says whether there was one."""
        address = normalise_email(email)
        await AccessRequests(self._store).forget(address)
        return await self._store.delete(key_of(_KIND, address))

    async def _write(self, user: User) -> User:
        fields = asdict(user)
        del fields["version"]
        version = await self._store.write(key_of(_KIND, user.email), dump_fields(fields), expect=user.version)
        return replace(user, version=version)


def _fresh_epoch() -> int:
    return secrets.randbits(_EPOCH_BITS)


def _parse(address: str, record: Record) -> User:
    fields = load_fields(record.value, _USER_SHAPE)
    try:
        keys = [cast(dict[str, str], check_fields(key, _KEY_SHAPE)) for key in cast(list[object], fields["keys"])]
        roles = cast(list[str], fields["roles"])
        if not all(isinstance(role, str) for role in roles):
            raise ValueError("a role that is no text")
        if fields["email"] != address:
            raise ValueError("a record under another user's key")
    except ValueError as error:
        raise StoreUnavailable("A record of the store cannot be read by this version.") from error
    return User(
        email=address,
        keys=tuple(StoredKey(**key) for key in keys),
        roles=tuple(roles),
        epoch=cast(int, fields["epoch"]),
        disabled=cast(bool, fields["disabled"]),
        created=cast(str, fields["created"]),
        version=record.version,
    )
