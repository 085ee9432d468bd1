"""``hfit.toml``: which packages a project wants, and where they go.

Every mistake is reported at once. The file comes with a repository, perhaps somebody else's, so:

1. ``into`` is a relative path that stays below the folder of the file, also through links;
2. no two packages go to the same place, and none into another's folder;
3. ``server`` is only an address: a token and a signature count for their own server alone (``session``, ``pins``).
"""

from __future__ import annotations

import datetime as dt
import difflib
import hashlib
import json
import math
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from hfit.errors import HfitClientError, UsageMistake
from hfit.gateway import Parameters
from hfit.package_download import EXTENSIONS
from hfit.text import visible
from hfit.transport import parse_origin

FILE_NAME = "hfit.toml"
MAX_FILE_BYTES = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_PACKAGE_KEYS = ("template", "params", "into", "compression")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One package of the project. ``into`` is absolute."""

    name: str
    template: str
    params: Parameters
    into: Path
    compression: str = "gzip"

    @property
    def request_digest(self) -> str:
        """What is asked for, as a digest: another template or other parameters make another one."""
        return request_digest(self.template, self.params)


@dataclass(frozen=True, slots=True)
class Project:
    """A read ``hfit.toml``. ``server`` is None when the file leaves it to the user's settings."""

    path: Path
    server: str | None
    packages: Mapping[str, Wanted]

    @property
    def lock_path(self) -> Path:
        """Where the lock file lies."""
        return self.path.with_name("hfit.lock")

    def choose(self, names: Iterable[str]) -> list[Wanted]:
        """The named packages in the file's order, all without names. UsageMistake for one that is not there."""
        names = list(dict.fromkeys(names))
        unknown = [name for name in names if name not in self.packages]
        if unknown:
            near = difflib.get_close_matches(unknown[0], self.packages, n=3)
            hint = f"Did you mean {' or '.join(near)}?" if near else "It has: " + ", ".join(self.packages)
            raise UsageMistake(
                f"{self.path} has no package '{visible(unknown[0], limit=100)}'.", suggestions=[visible(hint)]
            )
        return [wanted for name, wanted in self.packages.items() if not names or name in names]


def request_digest(template: str, params: Parameters) -> str:
    """SHA-256 over template and parameters in one spelling."""
    plain = dict(params) if isinstance(params, Mapping) else list(params)
    return hashlib.sha256(json.dumps([template, plain], sort_keys=True, default=str).encode()).hexdigest()


def find_project(start: Path) -> Path | None:
    """The nearest ``hfit.toml`` in ``start`` or a folder above it."""
    start = start.resolve()
    return next((folder / FILE_NAME for folder in (start, *start.parents) if (folder / FILE_NAME).is_file()), None)


def require_project(start: Path) -> Project:
    """Find and read the project's file; UsageMistake with an example when there is none."""
    path = find_project(start)
    if path is None:
        raise UsageMistake(
            f"There is no {FILE_NAME} here or in a folder above.",
            suggestions=[
                "Have one written: hfit init",
                "Or write it, for example:",
                '  server = "https://hfit.example.com"',
                "  [packages.case]",
                '  template = "customer-case"',
                "  params = {customer_id = 42}",
                '  into = "tests/fixtures/case"',
            ],
        )
    return read_project(path)


def read_project(path: Path) -> Project:
    """Read and check the file. Raises UsageMistake with every mistake in it."""
    try:
        with path.open("rb") as file:
            data = tomllib.loads(file.read(MAX_FILE_BYTES).decode())
    except (OSError, ValueError, RecursionError) as error:
        raise UsageMistake(f"{path} cannot be read.", reason=visible(error)) from error
    checker = _Checker(path.parent.resolve())
    project = checker.project(path, data)
    if checker.mistakes:
        count = len(checker.mistakes)
        raise UsageMistake(
            f"{path} has {count} mistake{'s' if count > 1 else ''}.",
            reason=f"{checker.mistakes[0]}",
            suggestions=checker.mistakes[1:],
        )
    return project


class _Checker:
    """Turns the parsed file into values and collects what is wrong."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.mistakes: list[str] = []

    def _wrong(self, text: str) -> None:
        self.mistakes.append(visible(text, limit=300))

    def project(self, path: Path, data: Mapping[str, object]) -> Project:
        self._unknown("", data, ("server", "packages"))
        server = data.get("server")
        if server is not None:
            try:
                server = str(parse_origin(server if isinstance(server, str) else ""))
            except HfitClientError:
                self._wrong("server: it is https://HOST or https://HOST:PORT.")
        tables = data.get("packages")
        if not isinstance(tables, dict) or not tables:
            self._wrong("packages: there is no [packages.NAME] table.")
            tables = {}
        packages = {name: self._package(name, table) for name, table in tables.items()}
        self._apart(packages.values())
        return Project(path, server if isinstance(server, str) else None, packages)

    def _package(self, name: str, table: object) -> Wanted:
        where = f"packages.{name}"
        if not _NAME.fullmatch(name):
            self._wrong(f"{where}: a name is letters, digits, '_', '.' and '-', 100 at most.")
        if not isinstance(table, dict):
            self._wrong(f"{where}: it is a table.")
            return Wanted(name, "", (), self._root)
        self._unknown(where + ".", table, _PACKAGE_KEYS)
        template, compression = table.get("template"), table.get("compression", "gzip")
        if not isinstance(template, str) or not template:
            self._wrong(f"{where}.template: the name of a template is needed.")
        if not isinstance(compression, str) or compression not in EXTENSIONS:
            self._wrong(f"{where}.compression: it is one of {', '.join(EXTENSIONS)}.")
        params = self._params(where + ".params", table.get("params", {}))
        into = self._into(where + ".into", table.get("into"))
        return Wanted(name, str(template), params, into, str(compression))

    def _params(self, where: str, value: object) -> Parameters:
        if isinstance(value, dict):
            return {key: self._plain(f"{where}.{key}", item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._plain(f"{where}[{number}]", item) for number, item in enumerate(value)]
        self._wrong(f"{where}: it is a table, or an array of the template's positional values.")
        return {}

    def _plain(self, where: str, value: object) -> object:
        if isinstance(value, dt.date | dt.time):
            return value.isoformat()
        if isinstance(value, float) and not math.isfinite(value):
            self._wrong(f"{where}: the value is not a number that can be sent.")
        elif not isinstance(value, str | int | float | bool):
            self._wrong(f"{where}: the value is a text, a number, true or false, or a date.")
        return value

    def _into(self, where: str, value: object) -> Path:
        if not isinstance(value, str) or not value:
            self._wrong(f"{where}: a folder below that of {FILE_NAME} is needed.")
            return self._root
        parts = PurePosixPath(value).parts
        elsewhere = PurePosixPath(value).is_absolute() or bool(PureWindowsPath(value).drive)
        absolute = elsewhere or "\\" in value or "\0" in value
        if absolute or ".." in parts or not parts:  # 1
            self._wrong(f"{where}: it is a relative path below the folder of {FILE_NAME}, without '..'.")
            return self._root
        target = self._root.joinpath(*parts)
        if not target.parent.resolve().is_relative_to(self._root):  # 1
            self._wrong(f"{where}: a link leads out of the project.")
        return target

    def _apart(self, packages: Iterable[Wanted]) -> None:
        """Step 2."""
        seen: list[Wanted] = []
        for wanted in packages:
            if wanted.into == self._root:
                continue
            for other in seen:
                if wanted.into.is_relative_to(other.into) or other.into.is_relative_to(wanted.into):
                    self._wrong(f"packages.{wanted.name}.into: it overlaps that of packages.{other.name}.")
            seen.append(wanted)

    def _unknown(self, where: str, table: Mapping[str, object], known: Sequence[str]) -> None:
        for key in table:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"did you mean '{near[0]}'?" if near else f"they are {', '.join(known)}."
                self._wrong(f"{where}{key}: there is no such key; {hint}")
