"""Instances behind a real nginx are killed in turn, perhaps Redis too, while many clients download packages.

What has to hold whatever happened (security page, R1, R5, R8, R12):

1. Every client ends with a verified package, or with an exit code that is not 0 and nothing that looks like a package.
2. A package is extracted once, and at most once more for each kill and each loss of the store.
3. Every begin in every audit log has an end, and the chains verify.
4. Two seconds after the end no database session works, and no job has a folder.

``python -m tests.faults.chaos`` runs it at full size; the suite runs a small one.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import random
import re
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from hfit.credentials.pins import Trust, read_pins
from hfit.package.verify import verify_package
from tests.live import redis
from tests.live.certificates import Certificates, make_certificates
from tests.live.daemon import Person, provider, role
from tests.live.databases import run_sql
from tests.live.fleet import Fleet, is_running, make_instances, running_fleet
from tests.live.nginx import nginx_config, proxying
from tests.live.postgres import distribution_binaries, postgres
from tests.live.proxy import TcpProxy, tcp_proxy
from tests.live.servers import Server, free_port
from tests.live.world import EVERYTHING, LIMITS, POLICY, make_slow_database, package_template
from tests.support.http import Api


@dataclass(frozen=True)
class Scale:
    """How much of it. ``outage_seconds`` is how long Redis is away, 0 not at all."""

    clients: int
    templates: int
    kills: int
    people: int = 5
    instances: int = 3
    outage_seconds: float = 0.0
    seed: int = 6


@dataclass
class Report:
    """What happened. ``builds`` are extractions per template, ``codes`` how often clients ended with which code,
    ``reasons`` which error those named that did not get a package."""

    codes: collections.Counter[int] = field(default_factory=collections.Counter)
    reasons: collections.Counter[str] = field(default_factory=collections.Counter)
    builds: collections.Counter[str] = field(default_factory=collections.Counter)
    kills: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """For a person."""
        return [
            f"{sum(self.codes.values())} clients in {self.seconds:.1f} s, {self.kills} kills; exit codes "
            + ", ".join(f"{code}: {count}" for code, count in sorted(self.codes.items())),
            (
                f"{sum(self.builds.values())} extractions of {len(self.builds)} packages, at most "
                f"{max(self.builds.values(), default=0)} of one"
            ),
            *(f"{count} x {reason}" for reason, count in self.reasons.most_common()),
            *self.wrong,
        ]


class Chaos:
    """One run over a fleet that is up. ``origin`` is nginx's address."""

    def __init__(
        self, fleet: Fleet, scale: Scale, database: tuple[Server, str], authority: Path, proxy: TcpProxy
    ) -> None:
        self.fleet, self.scale, self.proxy = fleet, scale, proxy
        self.database, self.authority = database, authority
        self.chance = random.Random(scale.seed)
        self.report = Report()
        self.people: list[Person] = []
        self.names = [f"case{number:02}" for number in range(scale.templates)]

    async def run(self) -> Report:
        """All of it; the report's ``wrong`` is empty when every promise held."""
        await self._prepare()
        began = time.monotonic()
        clients = [asyncio.create_task(self._client(number)) for number in range(self.scale.clients)]
        disasters = [asyncio.create_task(self._kill_in_turn())]
        if self.scale.outage_seconds:
            disasters.append(asyncio.create_task(self._lose_store()))
        await asyncio.gather(*clients)
        self.report.seconds = time.monotonic() - began
        await asyncio.gather(*disasters)
        await self._check_quiet()
        await self._check_audit()
        return self.report

    async def _prepare(self) -> None:
        for number in range(self.scale.people):
            person = await asyncio.to_thread(self.fleet.add_person, f"dev{number}@example.org", "developer")
            code, words = await self._hfit(person, person.folder, "login")
            assert code == 0, words
            self.people.append(person)
        for name in self.names:
            template = package_template(name, "quick", "slow_short")
            made = await Api(self.fleet.instances[0], self.people[0]).put_template(template)
            assert made.status == 201, made.body
            shared = await Api(self.fleet.instances[0], self.people[0]).request("POST", f"/packtmpl/{name}/share")
            assert shared.status == 200, shared.body

    async def _client(self, number: int) -> None:
        person, name = self.people[number % len(self.people)], self.names[number % len(self.names)]
        folder = person.folder / f"client{number}"
        folder.mkdir()
        await asyncio.sleep(self.chance.uniform(0, 2.0))
        code, words = await self._hfit(person, folder, "pkg-download", name)
        self.report.codes[code] += 1
        if code:
            named = re.search(r"\b[A-Z]+(_[A-Z]+)+\b|\bBUSY\b", words)
            self.report.reasons[named[0] if named else words.strip().splitlines()[-1][:100]] += 1
        await asyncio.to_thread(self._check_client, person, folder, name, code, words)

    def _check_client(self, person: Person, folder: Path, name: str, code: int, words: str) -> None:
        """(1)"""
        seen = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
        if code == 0:
            verify_package(folder / name, Trust(read_pins(person.folder / "hfit")))
        elif seen or not words.strip() or "Traceback" in words:
            self.report.wrong.append(f"{folder.name} ended with {code}, left {seen} and said: {words}")

    async def _kill_in_turn(self) -> None:
        for number in range(self.scale.kills):
            await asyncio.sleep(self.chance.uniform(0.5, 2.5))
            daemon = self.fleet.instances[number % len(self.fleet.instances)]
            await asyncio.to_thread(daemon.kill)
            self.report.kills += 1
            await asyncio.sleep(self.chance.uniform(0.1, 1.0))
            while not is_running(daemon):
                with contextlib.suppress(Exception):  # it may find Redis away; an operator's supervisor tries again
                    await asyncio.to_thread(daemon.start)

    async def _lose_store(self) -> None:
        await asyncio.sleep(self.chance.uniform(1.0, 3.0))
        await self.proxy.refuse()
        await asyncio.sleep(self.scale.outage_seconds)
        await self.proxy.restore()

    async def _check_quiet(self) -> None:
        """(4)"""
        server, name = self.database
        question = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND xact_start IS NOT NULL"
        for what, busy in (
            ("a database session works", lambda: int(run_sql(server, question))),
            ("a job has a folder", lambda: not all(d.spool_is_empty() for d in self.fleet.instances)),
        ):
            deadline = time.monotonic() + 2.0
            while await asyncio.to_thread(busy):  # type: ignore[arg-type]
                if time.monotonic() > deadline:
                    self.report.wrong.append(f"two seconds after the end {what}")
                    break
                await asyncio.sleep(0.1)

    async def _check_audit(self) -> None:
        """(2), (3)"""
        for daemon in self.fleet.instances:
            await asyncio.to_thread(daemon.stop)
            verified = await asyncio.to_thread(daemon.hfitd, "audit", "verify")
            if verified.code:
                self.report.wrong.append(f"the audit of {daemon.folder.name}: {verified.err}")
            records = daemon.audit_records()
            begun = [record["seq"] for record in records if record["kind"] == "begin"]
            if sorted(record["begin"] for record in records if record["kind"] == "end") != begun:
                self.report.wrong.append(f"{daemon.folder.name} has a begin without an end")
            self.report.builds.update(
                record["details"]["template"] for record in records if record.get("action") == "package.build"
            )
        most = 1 + self.report.kills + bool(self.scale.outage_seconds)
        for name, count in self.report.builds.items():
            if count > most:
                self.report.wrong.append(f"{name} was extracted {count} times, with {self.report.kills} kills")

    async def _hfit(self, person: Person, folder: Path, *arguments: str) -> tuple[int, str]:
        daemon = self.fleet.instances[0]
        environment = daemon.client_environment(person) | {
            "HFIT_SERVER_URL": self.fleet.origin, "SSL_CERT_FILE": str(self.authority),
        }  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            *map(str, daemon.client_argv(*arguments)), cwd=folder, env=environment,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, words = await process.communicate()
        return process.returncode or 0, words.decode(errors="replace")


@contextlib.asynccontextmanager
async def chaos_world(
    folder: Path, server: Server, database: str, certificates: Certificates, scale: Scale
) -> AsyncIterator[Chaos]:
    """The fleet, nginx before it, and Redis behind a proxy that can be cut."""
    port = free_port()
    origin = f"https://localhost:{port}"
    body = provider("slow_pg", server, database) + POLICY + LIMITS + role("developer", *EVERYTHING)
    with redis.redis() as store:
        async with tcp_proxy(store.host, store.port) as proxy:
            instances = make_instances(
                folder, store, body, count=scale.instances, origin=origin, store_port=proxy.port,
                server={"trusted_proxies": '["127.0.0.1"]', "shutdown_grace": '"5s"'},
            )  # fmt: skip
            fleet = running_fleet(instances, folder)
            running = await asyncio.to_thread(fleet.__enter__)
            try:
                with proxying(nginx_config(folder, port, certificates, instances), folder):
                    yield Chaos(running, scale, (server, database), certificates.authority, proxy)
            finally:
                await asyncio.to_thread(fleet.__exit__, None, None, None)


async def _main(scale: Scale) -> int:
    with tempfile.TemporaryDirectory(prefix="hfit-chaos-") as name, postgres(distribution_binaries()) as server:
        folder = Path(name)
        certificates = make_certificates(folder)
        database = make_slow_database(server, "chaos")
        async with chaos_world(folder, server, database, certificates, scale) as chaos:
            report = await chaos.run()
    print("\n".join(report.lines()))
    return 1 if report.wrong else 0


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--templates", type=int, default=20)
    parser.add_argument("--kills", type=int, default=9)
    parser.add_argument("--outage", type=float, default=30.0, metavar="SECONDS", help="how long Redis is away")
    parser.add_argument("--seed", type=int, default=6)
    given = parser.parse_args()
    scale = Scale(given.clients, given.templates, given.kills, outage_seconds=given.outage, seed=given.seed)
    return asyncio.run(_main(scale))


if __name__ == "__main__":
    raise SystemExit(main())
