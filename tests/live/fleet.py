"""Several instances of one installation: they share Redis, keys, mask key, origin and finished packages."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.live.daemon import Daemon, Person, make_key, redis_store, running
from tests.live.servers import Server


@dataclass(frozen=True)
class Fleet:
    """Running instances. ``origin`` is what clients call them all by."""

    instances: Sequence[Daemon]
    origin: str
    folder: Path

    def add_person(self, email: str, *roles: str) -> Person:
        """Somebody with a key and a token, known to all."""
        folder = self.folder / "people" / email
        folder.mkdir(parents=True)
        person = Person(email, make_key(folder / "id_ed25519"), folder)
        first = self.instances[0]
        first.admin("user.add", email=email, key=person.public_key, roles=list(roles))
        return first.login(person)

    def extractions(self) -> int:
        """How often the instances that run now have read their sources."""
        return sum(daemon.admin("status")["extractions"] for daemon in self.instances if is_running(daemon))


def is_running(daemon: Daemon) -> bool:
    """Whether its process lives."""
    return daemon.process is not None and daemon.process.poll() is None


def make_instances(
    folder: Path,
    store: Server,
    body: str,
    *,
    count: int,
    origin: str = "",
    store_port: int | None = None,
    artifacts: str = "",
    server: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> list[Daemon]:
    """Instances that are not started yet. ``artifacts`` is the URL of the shared packages, by default a folder."""
    (folder / "shared").mkdir(mode=0o700)
    url = artifacts or f"file:{folder}/shared"
    sections = body + redis_store(store, store_port) + f'\n[artifacts]\nurl = "{url}"\n'
    made: list[Daemon] = []
    for number in range(count):
        place = folder / f"instance{number + 1}"
        place.mkdir()
        daemon = Daemon(place, sections)
        origin = origin or daemon.origin
        keys = {"origin": f'"{origin}"', "keys_dir": f'"{folder}/keys"', **(server or {})}
        daemon.write_config(sections, keys)
        daemon.signed_origin = origin
        daemon.environment.update(environment or {})
        made.append(daemon)
    return made


async def last_accepted(instances: Sequence[Daemon], person: Person) -> float:
    """Asks every instance until each refuses the token: how long after the call the last request that was accepted had
    been sent, in seconds. How long an answer takes does not matter, so neither does how busy the machine is."""
    began, last = time.monotonic(), 0.0

    async def ask_until_refused(daemon: Daemon, session: aiohttp.ClientSession) -> None:
        nonlocal last
        while True:
            sent = time.monotonic() - began
            async with session.get(f"{daemon.origin}/api/v1/auth/whoami", headers=person.bearer) as answer:
                if answer.status == 401:
                    return
                assert answer.status == 200
            last = max(last, sent)
            await asyncio.sleep(0.1)

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(ask_until_refused(daemon, session) for daemon in instances))
    return last


@contextlib.contextmanager
def running_fleet(instances: Sequence[Daemon], folder: Path) -> Iterator[Fleet]:
    """All of them, started, until the block ends."""
    with contextlib.ExitStack() as stack:
        for daemon in instances:
            stack.enter_context(running(daemon))
        yield Fleet(instances, instances[0].signed_origin, folder)
