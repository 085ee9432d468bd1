"""A template as a frozen value; contract section 5 has the format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hfitd.model import Json


@dataclass(frozen=True, slots=True)
class ParameterSpec:
    """One declared parameter. ``type`` is one of text, integer, bigint, number, boolean, date, timestamp, uuid, enum,
    list. ``default`` is canonical text; None with ``required`` False means NULL."""

    name: str
    type: str = "text"
    required: bool = True
    default: str | None = None
    description: str = ""
    values: tuple[str, ...] = ()  # enum
    pattern: str = ""  # text
    max_length: int | None = None
    item_type: str = ""  # list


@dataclass(frozen=True, slots=True)
class InputStep:
    """``from: input``: ``source`` is ``$n`` or a parameter's name."""

    variable: str
    source: str


@dataclass(frozen=True, slots=True)
class QueryStep:
    """``from: hot-data`` with ``type: dbquery``: the first column of the only row."""

    variable: str
    dbms: str
    query: str
    database: str | None = None


@dataclass(frozen=True, slots=True)
class VolumeStep:
    """``from: hot-data`` with ``type: volume``: the base name of the best match, then ``regex_replace``."""

    variable: str
    volume: str
    glob: str
    sort: str = "mtime|desc"
    folder: str = ""
    regex_replace: str = ""


PrepareStep = InputStep | QueryStep | VolumeStep


@dataclass(frozen=True, slots=True)
class DbCreate:
    """``dbcreate``: DDL of whole schemas."""

    dbms: str
    tablelist: tuple[str, ...]
    database: str | None = None


@dataclass(frozen=True, slots=True)
class TableCreate:
    """``table-create``: DDL of tables; option "", "ifnotexists" or "dropcreate"."""

    dbms: str
    tablelist: tuple[str, ...]
    option: str = ""
    database: str | None = None


@dataclass(frozen=True, slots=True)
class TableData:
    """``table-data``: rows of one table; ``order`` "" is by row key, "none" as they come, else columns.

    ``limit`` is not part of templates, which never truncate; browsing sets it."""

    dbms: str
    table: str
    filter: str = ""
    order: str = ""
    database: str | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class FreeQuery:
    """``database``: rows of a SELECT of the author's own."""

    dbms: str
    query: str
    database: str | None = None


@dataclass(frozen=True, slots=True)
class Root:
    """Where a subset starts."""

    table: str
    where: str = ""


@dataclass(frozen=True, slots=True)
class Subset:
    """``subset``: roots and what hangs on them. ``children`` is "all", "none" or a list of tables."""

    dbms: str
    roots: tuple[Root, ...]
    children: str | tuple[str, ...] = "none"
    limits: Mapping[str, Json] = field(default_factory=dict)
    virtual_keys: tuple[Mapping[str, Json], ...] = ()
    exclude: tuple[str, ...] = ()
    files_from: tuple[Mapping[str, str], ...] = ()
    database: str | None = None


@dataclass(frozen=True, slots=True)
class VolumeFiles:
    """``files``: every file that the listing filters select, below ``<key>/``."""

    volume: str
    filters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VolumeFile:
    """``file``: one file of a volume."""

    volume: str
    path: str


ExportData = DbCreate | TableCreate | TableData | FreeQuery | Subset | VolumeFiles | VolumeFile


@dataclass(frozen=True, slots=True)
class Export:
    """One entry of ``exports``: its key is the file (or folder) inside the package."""

    key: str
    type: str
    data: ExportData


@dataclass(frozen=True, slots=True)
class Template:
    """A checked template. ``text`` is the source as sent; ``digest`` is its SHA-256 in hex."""

    name: str
    package_name: str
    exports: tuple[Export, ...]
    text: str
    digest: str
    description: str = ""
    project: str = ""
    parameters: tuple[ParameterSpec, ...] | None = None  # None: positional $1, $2 as text
    prepare: tuple[PrepareStep, ...] = ()
    lifetime_seconds: float | None = None  # ``expires``: how long its packages may be used
