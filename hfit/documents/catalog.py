"""What there is to read: tables and files."""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict


class ForeignKey(TypedDict):
    """A foreign key of a table."""

    name: str
    columns: list[str]
    target: str
    target_columns: list[str]


class Column(TypedDict):
    """A column that you may see."""

    name: str
    type: str
    nullable: bool
    default: str | None
    generated: str | None
    identity: str | None
    mask: Annotated[str | None, "what its values are hidden by"]


class Table(TypedDict):
    """hfit describe."""

    name: str
    kind: str
    columns: list[Column]
    primary_key: list[str]
    unique_keys: list[list[str]]
    foreign_keys: list[ForeignKey]
    estimated_rows: int | None


class FileEntry(TypedDict):
    """hfit files, one a line."""

    name: str
    path: Annotated[str, "below the root of the volume"]
    size: Annotated[int, "bytes"]
    modtime: Annotated[float, "unix seconds"]
    isdir: bool
    masked: NotRequired[bool]


class DownloadedFile(TypedDict):
    """hfit download; `files` and `masked_files` with -r, otherwise `verified`."""

    path: str
    size: int
    verified: NotRequired[Annotated[bool, "the server named a digest, and it fits"]]
    files: NotRequired[int]
    masked_files: NotRequired[Annotated[int, "how many of them"]]
    masks: NotRequired[dict[str, str]]
    dropped_lines: NotRequired[int]
