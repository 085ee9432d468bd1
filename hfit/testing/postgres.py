"""PostgreSQL: databases made from a template database that was loaded once a session.

1. A database that is not there: the package is loaded once per session and server into a database of its own, and
   ``CREATE DATABASE ... TEMPLATE`` copies that for each test, which takes a fraction of a second. The copy is dropped
   after the test, with whoever is still connected; the original when the last process of the session leaves. With
   ``reload`` there is no original: the database is made and loaded for each test.
2. A database that is there: loaded in place. After the test everything that was not there before is dropped (schemas,
   tables, sequences, views, types, functions, extensions), and tables that were empty are emptied. Rows in tables that
   had rows before stay.

What is made for tests is marked with the session, in its comment. A database that a killed session left counts as one
that is not there, unless somebody is connected to it; its originals go after a day.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncpg

from hfit.errors import HfitClientError, LoadFailed
from hfit.load.interface import LoadReport, Target
from hfit.testing.databases import Filling, Room, Way, finish, read_report, write_report
from hfit.testing.postgres_look import Look, read_look, read_objects, settle_look

CONNECT_SECONDS = 20
MAINTENANCE = ("postgres", "template1")
_DROPS = {
    "schema": "DROP SCHEMA IF EXISTS {} CASCADE",
    "extension": "DROP EXTENSION IF EXISTS {} CASCADE",
    "table": "DROP TABLE IF EXISTS {} CASCADE",
    "view": "DROP VIEW IF EXISTS {} CASCADE",
    "matview": "DROP MATERIALIZED VIEW IF EXISTS {} CASCADE",
    "sequence": "DROP SEQUENCE IF EXISTS {} CASCADE",
    "type": "DROP TYPE IF EXISTS {} CASCADE",
    "routine": "DROP ROUTINE IF EXISTS {} CASCADE",
}


MARK = "hfit: made for tests, session "
_LEFT = """
SELECT left(remark, length($1)) = $1 AND split_part(substr(remark, length($1) + 1), ' ', 1) <> $2
  AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid())
FROM (SELECT coalesce(shobj_description(oid, 'pg_database'), '') AS remark FROM pg_database
      WHERE datname = current_database()) AS mine
"""
_OLD = """
SELECT d.datname FROM pg_database d WHERE d.datname LIKE 'hfit\\_tmpl\\_%' AND pg_has_role(d.datdba, 'USAGE')
  AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.datname = d.datname)
  AND shobj_description(d.oid, 'pg_database') LIKE $1 || '%'
  AND split_part(substr(shobj_description(d.oid, 'pg_database'), length($1) + 1), ' ', 2)::timestamptz
      < now() - '1 day'::interval
"""


@dataclass(frozen=True, slots=True)
class Content:
    """What a database holds: objects by kind and oid with their names, and which tables have no rows."""

    objects: dict[tuple[str, int], str]
    empty: frozenset[str]


class PostgresIsolation:
    """By template database, or in place."""

    @contextlib.contextmanager
    def filled(self, filling: Filling) -> Iterator[LoadReport]:
        """The database with the package in it; see the module."""
        if not finish(_exists(filling.target, filling.room.session)):
            with self._loaded(filling) if filling.way is Way.RELOAD else self._copied(filling) as report:
                yield report
            return
        before = finish(_content(filling.target))
        try:
            yield filling.run()
        finally:
            finish(_put_back(filling.target, before))

    def look(self, target: Target) -> object:
        """Objects, the versions of all rows, and where counters stand."""
        return finish(_look(target))

    def settle(self, target: Target, before: object) -> bool:
        """A row that was written and committed has another version, whatever is in it."""
        assert isinstance(before, Look)
        return finish(_settle(target, before))

    @contextlib.contextmanager
    def _loaded(self, filling: Filling) -> Iterator[LoadReport]:
        name = _name(filling.target.database)
        finish(_make(filling.target, filling.target.database, "template0", filling.room.session))
        try:
            yield filling.run()
        finally:
            finish(_run(filling.target, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))

    @contextlib.contextmanager
    def _copied(self, filling: Filling) -> Iterator[LoadReport]:
        """Step 1. A mode that needs tables finds none in a fresh database, and says so itself."""
        target = filling.target
        names = ("postgresql", f"{target.socket or target.host}:{target.port}", *filling.content)
        name = "hfit_tmpl_" + hashlib.sha256("\0".join((filling.room.session, *names)).encode()).hexdigest()[:24]
        template = replace(target, database=name)
        with filling.room.turn(*names) as place:
            kept = place / "report.json"
            if not kept.exists():
                _load_template(filling, template, kept)
            _register(filling.room, template, place, names)
            finish(_make(target, target.database, name, filling.room.session))
        try:
            yield read_report(kept, target)
        finally:
            finish(_run(target, f"DROP DATABASE IF EXISTS {_name(target.database)} WITH (FORCE)"))


def _load_template(filling: Filling, template: Target, kept: Path) -> None:
    finish(_clear_leftovers(template))
    finish(_make(template, template.database, "template0", filling.room.session))
    try:
        write_report(kept, filling.run(template))
    except BaseException:
        finish(_run(template, f"DROP DATABASE IF EXISTS {_name(template.database)} WITH (FORCE)"))
        raise


def _register(room: Room, template: Target, place: Path, names: tuple[str, ...]) -> None:
    """Note that this process uses the template; the last one that leaves drops it."""
    users = place / "users"
    users.mkdir(exist_ok=True)
    mine = users / room.worker
    if mine.exists():
        return
    mine.touch()

    def leave() -> None:
        with room.turn(*names):
            mine.unlink(missing_ok=True)
            if not any(users.iterdir()):
                (place / "report.json").unlink(missing_ok=True)
                finish(_run(template, f"DROP DATABASE IF EXISTS {_name(template.database)} WITH (FORCE)"))

    room.leaving.callback(leave)


async def _connect(target: Target) -> Any:
    plain = bool(target.socket) or target.tls == "disable"
    context: object = target.tls
    if target.tls == "verify-full":
        context = ssl.create_default_context(cafile=str(target.tls_ca) if target.tls_ca else None)
    return await asyncpg.connect(
        host=target.socket or target.host,
        port=target.port,
        user=target.user,
        password=target.password or None,
        database=target.database,
        ssl=False if plain else context,
        timeout=CONNECT_SECONDS,
    )


async def _exists(target: Target, session: str) -> bool:
    """Whether it is there; what a killed session left is removed."""
    try:
        connection = await _connect(target)
    except asyncpg.InvalidCatalogNameError:
        return False
    except (OSError, asyncpg.PostgresError) as error:
        raise _failed(target, error) from error
    try:
        left = await connection.fetchval(_LEFT, MARK, session)
    except asyncpg.PostgresError as error:
        raise _failed(target, error) from error
    finally:
        await connection.close()
    if left:
        await _run(target, f"DROP DATABASE IF EXISTS {_name(target.database)} WITH (FORCE)")
    return not left


async def _make(target: Target, name: str, template: str, session: str) -> None:
    await _run(target, f"CREATE DATABASE {_name(name)} TEMPLATE {_name(template)}")
    moment = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    await _run(target, f"COMMENT ON DATABASE {_name(name)} IS '{MARK}{session} {moment}'")


async def _clear_leftovers(target: Target) -> None:
    """Originals of sessions that were killed more than a day ago."""
    for name in MAINTENANCE:
        try:
            connection = await _connect(replace(target, database=name))
        except (OSError, asyncpg.PostgresError):
            continue
        try:
            found = [row["datname"] for row in await connection.fetch(_OLD, MARK)]
            for old in found:
                await connection.execute(f"DROP DATABASE IF EXISTS {_name(old)}")
        except asyncpg.PostgresError as error:
            raise _failed(target, error) from error
        finally:
            await connection.close()
        return


async def _run(target: Target, statement: str) -> None:
    """A statement about databases, sent from another database of the server."""
    for number, name in enumerate(MAINTENANCE, start=1):
        try:
            connection = await _connect(replace(target, database=name))
        except (OSError, asyncpg.PostgresError) as error:
            if number == len(MAINTENANCE):
                raise _failed(target, error) from error
            continue
        try:
            await connection.execute(statement)
        except asyncpg.PostgresError as error:
            raise _failed(target, error) from error
        finally:
            await connection.close()
        return


async def _content(target: Target) -> Content:
    connection = await _connect(target)
    try:
        objects = await read_objects(connection)
        tables = [name for (kind, _), name in objects.items() if kind == "table"]
        question = "SELECT EXISTS (SELECT FROM {})"  # names come quoted from the server
        empty = [name for name in tables if not await connection.fetchval(question.format(name))]
        return Content(objects, frozenset(empty))
    except asyncpg.PostgresError as error:
        raise _failed(target, error) from error
    finally:
        await connection.close()


async def _look(target: Target) -> Look:
    connection = await _connect(target)
    try:
        return await read_look(connection)
    except asyncpg.PostgresError as error:
        raise _failed(target, error) from error
    finally:
        await connection.close()


async def _settle(target: Target, before: Look) -> bool:
    connection = await _connect(target)
    try:
        return await settle_look(connection, before)
    except asyncpg.PostgresError as error:
        raise _failed(target, error) from error
    finally:
        await connection.close()


async def _put_back(target: Target, before: Content) -> None:
    """Step 2."""
    connection = await _connect(target)
    try:
        after = await read_objects(connection)
        async with connection.transaction():
            for kind, statement in _DROPS.items():
                for key, name in after.items():
                    if key[0] == kind and key not in before.objects:
                        await connection.execute(statement.format(name))
            emptied = sorted(name for key, name in after.items() if key in before.objects and name in before.empty)
            if emptied:
                await connection.execute(f"TRUNCATE {', '.join(emptied)}")
    except asyncpg.PostgresError as error:
        raise _failed(target, error) from error
    finally:
        await connection.close()


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _failed(target: Target, error: Exception) -> HfitClientError:
    return LoadFailed(
        f"The test's database on {target.socket or target.host} cannot be made or put back.",
        reason=str(error),
        suggestions=["The role of the URL needs CREATEDB for databases that are not there yet."],
    )
