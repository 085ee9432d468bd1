"""One test session of one process: what the fixtures of the pytest plugin work with."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hfit.errors import UsageMistake
from hfit.load.interface import LoadReport, Mode, Target
from hfit.load.run import LoadRequest, load_package
from hfit.load.target import check_host, parse_target
from hfit.testing.databases import Filling, Isolation, Room, package_digest
from hfit.testing.mysql import MysqlIsolation
from hfit.testing.packages import FixturePackages, Options, open_packages
from hfit.testing.postgres import PostgresIsolation
from hfit.testing.sqlite import SqliteIsolation
from hfit.transfer import silent

ISOLATIONS: Mapping[str, type[Isolation]] = {
    "postgresql": PostgresIsolation,
    "mysql": MysqlIsolation,
    "sqlite": SqliteIsolation,
}


@dataclass(frozen=True, slots=True)
class FixtureSession:
    """Packages and databases of one process."""

    packages: FixturePackages
    room: Room

    def fixtures(self) -> TestDatabases:
        """What one test loads into; leaving the block puts everything back."""
        return TestDatabases(self)


@dataclass(frozen=True, slots=True)
class TestDatabases:
    """The databases that one test fills."""

    __test__ = False

    session: FixtureSession
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _held: set[str] = field(default_factory=set)

    def __enter__(self) -> TestDatabases:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def load(
        self, package: Path, url: str, mode: str, *, allow_remote: bool = False, allow_dangling: bool = False
    ) -> LoadReport:
        """Fill the database of ``url`` until the end of the test. Refuses what ``hfit load`` refuses."""
        if mode not in list(Mode):
            raise UsageMistake(f"'{mode}' is not a mode.", suggestions=["It is one of: " + ", ".join(Mode)])
        target = parse_target(url, os.environ)
        check_host(target, allow_remote=allow_remote)
        trust = self.session.packages.fetcher.trust()

        def load(place: Target, wanted: str) -> LoadReport:
            request = LoadRequest(package, {"": place}, wanted, allow_remote, allow_dangling, allow_hidden=True)
            return load_package(request, trust, silent)[0]

        self._take_turn(target)
        filling = Filling(target, mode, package_digest(package), load, self.session.room)
        return self._stack.enter_context(ISOLATIONS[target.engine]().filled(filling))

    def _take_turn(self, target: Target) -> None:
        """Tests of other processes wait for a database that this one uses."""
        path = str(Path(target.database).absolute()) if target.engine == "sqlite" else target.database
        place = f"{target.engine} {target.socket or target.host}:{target.port} {path}"
        if place not in self._held:
            self._stack.enter_context(self.session.room.turn("database", place))
            self._held.add(place)


@contextlib.contextmanager
def open_session(options: Options, folder: Path, worker: str, session: str) -> Iterator[FixtureSession]:
    """The session of this process; ``folder`` is shared by all processes of the run. At the end, what was made for the
    whole session is removed by the last process that used it."""
    folder.mkdir(parents=True, exist_ok=True)
    room = Room(folder / "databases", session or secrets.token_hex(8), worker)
    with room.leaving:
        yield FixtureSession(open_packages(options, folder / "packages"), room)
