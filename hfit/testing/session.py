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
from hfit.load.target import check_host, parse_intos
from hfit.testing.databases import Filling, Isolation, Room, Way, package_digest
from hfit.testing.kept import KeptDatabases
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
    """Packages and databases of one process. ``way``: how tests are kept apart when they do not say so themselves."""

    packages: FixturePackages
    room: Room
    way: Way
    kept: KeptDatabases

    def fixtures(self) -> TestDatabases:
        """What one test loads into; leaving the block puts everything back."""
        return TestDatabases(self)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a test asked for beside package and target."""

    mode: str
    isolation: str | None = None
    allow_remote: bool = False
    allow_dangling: bool = False


@dataclass(frozen=True, slots=True)
class TestDatabases:
    """The databases that one test fills."""

    __test__ = False

    session: FixtureSession
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _held: set[tuple[str, ...]] = field(default_factory=set)

    def __enter__(self) -> TestDatabases:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def load(
        self, package: Path, into: str | Mapping[str, str], wish: Wish
    ) -> LoadReport | dict[str, LoadReport]:
        """Fill the database of a URL (or ``PROVIDER=URL``) until the end of the test, or one for each provider.

        A report, or one for each. Refuses what ``hfit load`` refuses.
        """
        mode, way = wish.mode, self.session.way
        if mode not in list(Mode):
            raise UsageMistake(f"'{mode}' is not a mode.", suggestions=["It is one of: " + ", ".join(Mode)])
        if wish.isolation is not None:
            way = parse_way(wish.isolation)
        single = isinstance(into, str)
        targets = parse_intos([into] if isinstance(into, str) else [f"{name}={url}" for name, url in into.items()],
                              os.environ)  # fmt: skip
        for target in targets.values():
            check_host(target, allow_remote=wish.allow_remote)
        reports = {name: self._fill(package, name, target, wish, way) for name, target in targets.items()}
        return next(iter(reports.values())) if single else reports

    def _fill(self, package: Path, provider: str, target: Target, wish: Wish, way: Way) -> LoadReport:
        trust = self.session.packages.fetcher.trust()

        def load(place: Target, wanted: str) -> LoadReport:
            request = LoadRequest(
                package, {provider: place}, wanted, wish.allow_remote, wish.allow_dangling, allow_hidden=True,
                only_named=True,
            )  # fmt: skip
            return load_package(request, trust, silent)[0]

        content = (provider, package_digest(package), wish.mode, str(wish.allow_dangling))
        filling = Filling(target, wish.mode, content, load, self.session.room, way)
        isolation = ISOLATIONS[target.engine]()
        if target.place in self._held:
            return self._stack.enter_context(isolation.filled(filling))
        self._held.add(target.place)
        turn = self.session.room.turn("database", *target.place[:4])
        if way is Way.TRANSACTION and self.session.kept.may_keep(filling):
            return self._stack.enter_context(self.session.kept.used(filling, isolation, turn))
        self.session.kept.leave(target.place)
        self._stack.enter_context(turn)
        return self._stack.enter_context(isolation.filled(filling))


def parse_way(text: str) -> Way:
    """How tests are kept apart, as pytest's configuration or a test says it."""
    try:
        return Way(text)
    except ValueError as error:
        raise UsageMistake(
            f"'{text}' is not a way to keep tests apart.", suggestions=["hfit_isolation is one of: " + ", ".join(Way)]
        ) from error


@contextlib.contextmanager
def open_session(options: Options, folder: Path, worker: str, session: str) -> Iterator[FixtureSession]:
    """The session of this process; ``folder`` is shared by all processes of the run. At the end, what was made for the
    whole session is removed by the last process that used it."""
    way = parse_way(options.isolation)
    folder.mkdir(parents=True, exist_ok=True)
    room = Room(folder / "databases", session or secrets.token_hex(8), worker)
    kept = KeptDatabases(room)
    with room.leaving, contextlib.closing(kept):
        yield FixtureSession(open_packages(options, folder / "packages"), room, way, kept)
