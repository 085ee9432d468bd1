"""What a plan's picture shows: every table it reads once, and the foreign keys that its subsets follow or cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

Entry = Mapping[str, Any]  # an object of the plan's document
DEFINITIONS = frozenset(("dbcreate", "table-create", "create-table"))  # exports that read no rows


@dataclass(frozen=True, slots=True)
class Box:
    """A table. ``depth`` is how many keys it is from a root, ``masks`` are names by column. ``absent``: the template
    excludes it, so nothing of it is read. ``refused``: why not even that, of the table that its export begins with, of
    an export of which no table is known, or of the whole package."""

    name: str
    place: str  # provider, and database where it is not the only one; '' where all tables lie in one
    depth: int
    rows: int | None = None
    masks: tuple[tuple[str, str], ...] = ()
    root: bool = False
    absent: bool = False
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Arrow:
    """A foreign key, from the table that refers to the one that is referred to."""

    child: str
    parent: str
    name: str
    columns: str
    followed: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """Boxes by a name that is theirs alone, in the order in which they are reached."""

    title: str
    boxes: Mapping[str, Box]
    arrows: tuple[Arrow, ...]


def draw_plan(plan: Entry) -> Drawing:
    """The drawing of a plan as ``POST /packplan`` answers it, or of one that was refused, with its ``refusals``."""
    boxes: dict[str, Box] = {}
    arrows: dict[tuple[str, str, str], Arrow] = {}
    several = len({_source(export, table) for export in plan["exports"] for table in export["tables"]}) > 1
    for export, table in _tables(plan):
        name = _name(_source(export, table), str(table["table"]))
        box = _box(export, table, several=several)
        known = boxes.get(name)
        if known is None or (known.rows is None and box.rows is not None) or box.root > known.root:
            boxes[name] = box
    for export, table in _tables(plan):
        child = _name(_source(export, table), str(table["table"]))
        for key in table["keys"]:
            source = _source(export, key)
            parent = _name(source, str(key["to"]))
            if parent not in boxes:
                boxes[parent] = Box(str(key["to"]), source[0] if several else "", boxes[child].depth + 1, absent=True)
            columns = f"{', '.join(key['columns'])} \N{RIGHTWARDS ARROW} {', '.join(key['to_columns'])}"
            arrow = Arrow(child, parent, str(key["name"]), columns, str(key["followed"]))
            arrows.setdefault((child, parent, arrow.name), arrow)
    if plan.get("refusals"):
        boxes["the package"] = Box("the package", "", 0, refused=tuple(map(str, plan["refusals"])))
    return Drawing(str(plan["template"]["name"]), _refuse(boxes, plan), tuple(arrows.values()))


def _refuse(boxes: dict[str, Box], plan: Entry) -> dict[str, Box]:
    """Put the refusals of every export where it begins."""
    for export in plan["exports"]:
        said = tuple(str(one["message"]) for one in export["refusals"] if isinstance(one, Mapping))
        if not said:
            continue
        tables = [] if export["type"] in DEFINITIONS else export["tables"]
        first = min(tables, key=lambda table: len(table["path"]), default=None)
        name = str(export["key"]) if first is None else _name(_source(export, first), str(first["table"]))
        box = boxes.get(name) or Box(str(export["key"]), "", 0)
        boxes[name] = replace(box, refused=(*box.refused, *said))
    return boxes


def tell(drawing: Drawing) -> str:
    """The picture in words."""
    read = [box for box in drawing.boxes.values() if not box.absent]
    roots = [box.name for box in read if box.root]
    masked = sum(bool(box.masks) for box in read)
    words = [f"{_many(len(read), 'table')}, {_many(len(drawing.arrows), 'foreign key')}"]
    if roots:
        words.append(f"starting at {', '.join(roots)}")
    words.append(f"{_many(masked, 'table')} with masked columns")
    absent = [box.name for box in drawing.boxes.values() if box.absent]
    if absent:
        words.append(f"left out: {', '.join(absent)}")
    words += [f"refused: {box.name}, {' '.join(box.refused).rstrip('.')}" for box in read if box.refused]
    return "; ".join(words) + "."


def _many(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _tables(plan: Entry) -> Iterator[tuple[Entry, Entry]]:
    for export in plan["exports"]:
        if export["type"] not in DEFINITIONS:
            for table in export["tables"]:
                yield export, table


def _source(export: Entry, entry: Entry) -> tuple[str, str]:
    owner = entry if "provider" in entry else export
    return str(owner["provider"]), str(owner["database"])


def _name(source: tuple[str, str], table: str) -> str:
    return "/".join((*source, table))


def _box(export: Entry, table: Entry, *, several: bool) -> Box:
    source = _source(export, table)
    place = "/".join(dict.fromkeys(source)) if several else ""
    depth = max(len(table["path"]) - 1, 0)
    return Box(
        str(table["table"]),
        place,
        depth,
        rows=table["estimated_rows"],
        masks=tuple((str(column), str(mask)) for column, mask in table["masks"].items()),
        root=export["type"] == "subset" and len(table["path"]) == 1,
    )
