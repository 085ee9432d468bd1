"""What loading is about: targets, tables, modes, reports, and what every engine's loader can do.

One file per engine implements ``Loader``; ``run`` decides with ``guards`` what may be done, in an order that touches
nothing before everything was checked.
"""

from __future__ import annotations

import enum
import ipaddress
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

Cells = tuple[bytes | None, ...]
Canon = Callable[[bytes], bytes]
"""Makes a cell comparable."""
Progress = Callable[[int, int | None], None]
"""Called with the rows written so far and the rows there are, if known."""

_PRODUCTS = {"postgresql": "PostgreSQL", "mysql": "MySQL", "mariadb": "MariaDB", "sqlite": "SQLite"}


class Mode(enum.StrEnum):
    """What may be there already, and what happens to it (contract 8.4)."""

    CREATE = "create"
    DATA = "data"
    REPLACE = "replace"
    UPSERT = "upsert"


@dataclass(frozen=True, slots=True)
class Target:
    """A database to load into. ``database`` is the file of an SQLite target. The password never shows."""

    engine: str  # "postgresql" | "mysql" | "sqlite"
    database: str
    host: str = ""
    port: int = 0
    user: str = ""
    password: str = field(default="", repr=False)
    socket: str = ""
    tls: str = "prefer"  # "disable" | "prefer" | "require" | "verify-full"
    tls_ca: Path | None = None

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine: a file, a Unix socket, or loopback."""
        return self.engine == "sqlite" or bool(self.socket) or self.host == "localhost" or _is_loopback(self.host)

    @property
    def place(self) -> tuple[str, ...]:
        """What two targets have in common that are one database, seen by one user."""
        if self.engine == "sqlite":
            return (self.engine, str(Path(self.database).absolute()))
        host = self.socket or ("localhost" if self.is_local else self.host.lower())
        return (self.engine, host, str(self.port), self.database, self.user)

    def __str__(self) -> str:
        place = f"{self.socket or self.host}{f':{self.port}' if self.port and not self.socket else ''}"
        return self.database if self.engine == "sqlite" else f"{self.engine}://{place}/{self.database}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True, order=True)
class TableRef:
    """A table as the target will know it. ``schema`` is the schema on PostgreSQL, another database on MySQL, else ''.

    ``label`` is what the manifest calls it.
    """

    schema: str
    name: str
    label: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name


@dataclass(frozen=True, slots=True)
class Passed:
    """A statement that was looked through: where it stands, its digest, where its rows begin, and whether they were
    proved to be literals."""

    offset: int
    size: int
    line: int
    rows_at: int
    sha256: bytes
    proved: bool = True


@dataclass(frozen=True, slots=True)
class Part:
    """One SQL member in load order. ``tables`` are what it fills (data) with the written columns of each.

    ``passed`` are its statements, where they are few enough to be remembered and nothing else is in it.
    """

    path: str
    file: Path
    is_ddl: bool
    tables: Mapping[TableRef, tuple[str, ...]]
    creates: Mapping[TableRef, bool]  # -> whether it is created only if it is not there
    passed: tuple[Passed, ...] = ()


@dataclass(frozen=True, slots=True)
class ServerName:
    """A database product and its version."""

    product: str  # "postgresql" | "mysql" | "mariadb" | "sqlite"
    version: str

    def takes(self, source: ServerName) -> bool:
        """Whether a server like this one knows all that ``source`` knows: the same product and no older one."""
        return self.product == source.product and self._numbers() >= source._numbers()

    def _numbers(self) -> list[int]:
        return [int(part) for part in re.findall(r"[0-9]+", self.version)[:3]]

    def __str__(self) -> str:
        return f"{_PRODUCTS.get(self.product, self.product)} {self.version}"


@dataclass(frozen=True, slots=True)
class Need:
    """Something of a package that not every server can take: ``releases`` are the first of each product that can."""

    what: str
    name: str
    table: str
    releases: Mapping[str, str]

    def is_met_by(self, server: ServerName) -> bool:
        """Whether the server is one of these products, and no older."""
        release = self.releases.get(server.product)
        return release is not None and server.takes(ServerName(server.product, release))

    def __str__(self) -> str:
        return f"{self.what} {self.name}" + (f" of {self.table}" if self.table else "")

    @property
    def servers(self) -> str:
        """The servers that can take it, in words."""
        return " or ".join(f"{ServerName(product, release)}" for product, release in sorted(self.releases.items()))


@dataclass(frozen=True, slots=True)
class Script:
    """Everything one provider's members do to one target, known before the first statement runs."""

    provider: str
    engine: str
    parts: tuple[Part, ...]
    rows: Mapping[TableRef, int]  # as the manifest has it
    masked: Mapping[TableRef, frozenset[str]]
    databases: Mapping[str, str] = field(default_factory=dict)  # MySQL: database of the package -> of the target
    source: ServerName | None = None  # that the package was made from
    needs: tuple[Need, ...] = ()  # what its definitions ask of the target

    @property
    def filled(self) -> dict[TableRef, tuple[str, ...]]:
        """Tables with rows in the package and the columns that are written, in load order."""
        return {table: columns for part in self.parts for table, columns in part.tables.items()}

    @property
    def created(self) -> dict[TableRef, bool]:
        """Tables that the package's DDL creates; True: only if they are not there."""
        return {table: guarded for part in self.parts for table, guarded in part.creates.items()}


@dataclass(frozen=True, slots=True)
class TableState:
    """A table of the target before loading."""

    columns: tuple[str, ...]
    primary_key: tuple[str, ...]
    has_rows: bool
    triggers: tuple[str, ...] = ()  # that would fire on rows of a loader
    owned: bool = True  # whether constraints and triggers of it may be changed


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller allows."""

    mode: Mode
    allow_dangling: bool = False


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What one provider's load did. ``rows`` per table as the manifest names them; ``notes`` are for a person.

    ``steps`` is what happens in the target, in order, in words.
    """

    provider: str
    target: str
    mode: str
    rows: Mapping[str, int]
    notes: tuple[str, ...] = ()
    dry_run: bool = False
    steps: tuple[str, ...] = ()

    def document(self) -> dict[str, object]:
        """The report as JSON."""
        return {
            "provider": self.provider,
            "target": self.target,
            "mode": self.mode,
            "rows": dict(self.rows),
            "notes": list(self.notes),
            "dry_run": self.dry_run,
            "steps": list(self.steps),
        }


class Loader(Protocol):
    """One connection to a target. ``server`` is what answers there.

    ``define`` and ``fill`` write one script each time they are called and leave a transaction open; ``commit`` or
    ``roll_back`` ends it. LoadFailed, TargetBusy and NetworkFailed say what went wrong, ``roll_back`` what is left.
    """

    server: ServerName

    def show(self, cell: bytes) -> str:
        """A comparable cell for a person."""

    async def inspect(self, tables: Sequence[TableRef]) -> Mapping[TableRef, TableState]:
        """The tables that are there."""

    async def occupied(self) -> str | None:
        """A table of the target that holds rows, or None when the database holds none at all."""

    async def define(self, script: Script) -> None:
        """Run the script's DDL."""

    async def fill(self, script: Script, options: Options, progress: Progress) -> tuple[str, ...]:
        """Write the script's rows and check them. Gives notes for a person."""

    async def check_open(self) -> None:
        """NetworkFailed when the connection has gone."""

    async def commit(self) -> tuple[str, ...]:
        """Make it last. Gives notes for a person."""

    async def roll_back(self) -> str:
        """Undo it; gives what is left in the target, or '' when nothing is."""

    async def close(self) -> None:
        """Let go of the target."""

    def package_rows(self, script: Script, part: Part, table: TableRef) -> Iterator[Cells]:
        """The rows of a table in one member, cells in one spelling that is the same for equal values."""

    def target_rows(self, table: TableRef, columns: Sequence[str]) -> AsyncIterator[Cells]:
        """The rows of a table of the target, cells spelt the same way."""

    async def canons(
        self, table: TableRef, columns: Sequence[str], masked: frozenset[str]
    ) -> Sequence[Canon | None]:
        """How the cells of each column are made comparable; None: as they are."""
