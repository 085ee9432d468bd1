"""The export types: one line each."""

from __future__ import annotations

from collections.abc import Mapping

from hfitd.export.items.files import FilesItem
from hfitd.export.items.interface import Item
from hfitd.export.items.query import QueryItem
from hfitd.export.items.rows import RowsItem
from hfitd.export.items.schema import SchemaItem
from hfitd.export.items.subset import SubsetItem

ITEMS: Mapping[str, Item] = {
    "dbcreate": SchemaItem(),
    "table-create": SchemaItem(),
    "table-data": RowsItem(),
    "database": QueryItem(),
    "subset": SubsetItem(),
    "files": FilesItem(),
    "file": FilesItem(),
}
