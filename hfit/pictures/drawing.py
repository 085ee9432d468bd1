"""What a picture shows, boxes and arrows, and how DOT (Graphviz) and Mermaid spell it.

Names come from databases. In DOT a text stands in quotes, and backslash and quote are escaped; in Mermaid every
character that could mean something there is a character reference, ``#60;`` for ``<``. Control characters are visible
escapes in both, so nothing that a table is called becomes syntax or reaches a terminal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hfit.answers import malformed
from hfit.explain import Link
from hfit.text import visible

FORMS = ("svg", "dot", "mermaid")
_DEFINITIONS = {"dbcreate", "table-create", "create-table"}  # these exports read no rows
_PLAIN = re.compile(r"[^A-Za-z0-9 .,:_/()\u00a0-\uffff-]")


@dataclass(frozen=True, slots=True)
class Box:
    """A table or a row: its lines, the name first; ``kind`` is root, plain or absent."""

    lines: tuple[str, ...]
    kind: str = "plain"


@dataclass(frozen=True, slots=True)
class Arrow:
    """A foreign key between two boxes, by their places among them: of a plan from the table that refers."""

    start: int
    end: int
    label: str
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture without places."""

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


def draw_plan(plan: Mapping[str, object]) -> Drawing:
    """Every table that a plan reads, once, and the keys that its subsets follow or cut; AnswerMalformed."""
    try:
        return _draw(plan)
    except (KeyError, TypeError, AttributeError) as error:
        raise malformed() from error


def _draw(plan: Mapping[str, object]) -> Drawing:
    boxes: dict[tuple[str, ...], Box] = {}
    tables = [
        (export, table)
        for export in _objects(plan["exports"])
        if export["type"] not in _DEFINITIONS
        for table in _objects(export["tables"])
    ]
    for export, table in tables:
        place = (*_source(export, table), str(table["table"]))
        root = export["type"] == "subset" and len(_list(table["path"])) == 1
        if place not in boxes or root:
            boxes[place] = Box(_lines(table), "root" if root else "plain")
    arrows = []
    for export, table in tables:
        start = (*_source(export, table), str(table["table"]))
        for key in _objects(table.get("keys") or []):
            end = (*_source(export, key), str(key["to"]))
            boxes.setdefault(end, Box((str(key["to"]), "left out"), "absent"))
            numbers = {name: number for number, name in enumerate(boxes)}
            arrows.append(Arrow(numbers[start], numbers[end], str(key["name"]), key["followed"] == "cut"))
    return Drawing(tuple(boxes.values()), tuple(dict.fromkeys(arrows)))


def draw_chain(chain: Sequence[Link]) -> Drawing:
    """The way to a row, the root first; arrows go as it was found, whichever of two rows refers to the other."""
    boxes = [
        Box((link.table, *(f"{name} = {value}" if name else value for name, value in link.key.items())),
            "plain" if number else "root")
        for number, link in enumerate(chain)
    ]  # fmt: skip
    labels = [f"{link.foreign_key}: {link.columns}" for link in chain[1:]]
    arrows = [Arrow(number, number + 1, label) for number, label in enumerate(labels)]
    return Drawing(tuple(boxes), tuple(arrows))


def write_dot(drawing: Drawing) -> str:
    """The picture for ``dot -Tsvg``."""
    kinds = {"root": ", penwidth=2", "absent": ", style=dashed", "plain": ""}
    lines = ["digraph hfit {", "  rankdir=LR;", '  node [shape=box, style=rounded, fontname="sans-serif"];']
    for number, box in enumerate(drawing.boxes):
        label = "\\n".join(_dot(line) for line in box.lines)
        lines.append(f'  n{number} [label="{label}"{kinds[box.kind]}];')
    for arrow in drawing.arrows:
        style = ", style=dashed" if arrow.cut else ""
        lines.append(f'  n{arrow.start} -> n{arrow.end} [label="{_dot(arrow.label)}"{style}];')
    return "\n".join([*lines, "}", ""])


def write_mermaid(drawing: Drawing) -> str:
    """The picture for a fenced block ``mermaid``."""
    lines = ["flowchart LR"]
    for number, box in enumerate(drawing.boxes):
        lines.append(f'  n{number}["{"<br/>".join(_mermaid(line) for line in box.lines)}"]')
    for arrow in drawing.arrows:
        line = "-.->" if arrow.cut else "-->"
        lines.append(f'  n{arrow.start} {line}|"{_mermaid(arrow.label)}"| n{arrow.end}')
    for kind, style in (("root", "stroke-width:3px"), ("absent", "stroke-dasharray:5 4")):
        numbers = [f"n{number}" for number, box in enumerate(drawing.boxes) if box.kind == kind]
        if numbers:
            lines += [f"  classDef {kind} {style}", f"  class {','.join(numbers)} {kind}"]
    return "\n".join([*lines, ""])


def _dot(words: str) -> str:
    return visible(words).replace("\\", "\\\\").replace('"', '\\"')


def _mermaid(words: str) -> str:
    return _PLAIN.sub(lambda found: f"#{ord(found[0])};", visible(words))


def _lines(table: Mapping[str, object]) -> tuple[str, ...]:
    rows, masks = table.get("estimated_rows"), table["masks"]
    said = [str(table["table"]), "? rows" if rows is None else f"about {rows} rows"]
    if isinstance(masks, Mapping) and masks:
        said.append(f"{len(masks)} masked")
    return tuple(said)


def _source(export: Mapping[str, object], entry: Mapping[str, object]) -> tuple[str, str]:
    owner = entry if "provider" in entry else export
    return str(owner["provider"]), str(owner["database"])


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError("not a list")
    return value


def _objects(value: object) -> list[Mapping[str, object]]:
    found = _list(value)
    if not all(isinstance(item, Mapping) for item in found):
        raise TypeError("not a list of objects")
    return [item for item in found if isinstance(item, Mapping)]
