"""The export types: the word in a template, its keys, and the frozen value they become."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from marshmallow import Schema

from hfitd.export.template.model import (
    DbCreate,
    Export,
    ExportData,
    FreeQuery,
    Root,
    Subset,
    TableCreate,
    TableData,
    VolumeFile,
    VolumeFiles,
)
from hfitd.export.template.schema import (
    DbCreateSchema,
    FreeQuerySchema,
    SubsetSchema,
    TableCreateSchema,
    TableDataSchema,
    VolumeFileSchema,
    VolumeFilesSchema,
)

ALIASES = {"create-table": "table-create"}


def make_export(key: str, kind: str, values: Mapping[str, Any]) -> Export:
    """The export of checked values; an alias becomes the type's own word."""
    return Export(key, ALIASES.get(kind, kind), TYPES[kind][1](**values))


def make_subset(**values: Any) -> Subset:
    """A subset with its parts frozen."""
    keys = ("virtual_keys", "files_from")
    written = {"source": "from", "target": "to"}
    for key in keys:
        items = values.get(key, ())
        values[key] = tuple({written.get(name, name): value for name, value in item.items()} for item in items)
    values["roots"] = tuple(Root(**root) for root in values["roots"])
    return Subset(**values)


TYPES: Mapping[str, tuple[type[Schema], Callable[..., ExportData]]] = {
    "dbcreate": (DbCreateSchema, DbCreate),
    "table-create": (TableCreateSchema, TableCreate),
    "create-table": (TableCreateSchema, TableCreate),
    "table-data": (TableDataSchema, TableData),
    "database": (FreeQuerySchema, FreeQuery),
    "subset": (SubsetSchema, make_subset),
    "files": (VolumeFilesSchema, VolumeFiles),
    "file": (VolumeFileSchema, VolumeFile),
}
