"""A drawing as SVG: boxes in columns, arrows from child to parent. It needs no script and no font of its own.

Everything that comes from a database or a template is escaped, and what XML cannot hold becomes U+FFFD. Styles are
classes; on a page the page's style sheet has them, a picture that stands alone brings them along.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise

from hfitd.web.picture.layers import Layout, lay_out
from hfitd.web.picture.plan import Arrow, Box, Drawing, tell

LINE, PAD, GAP, COLUMN_GAP = 18, 12, 22, 44
LETTER, TITLE_LETTER = 6.8, 8.6  # average widths at the sizes of the style sheet
MOST_LETTERS = 30
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" class="plan" role="img" aria-labelledby="plan-title plan-words" '
    'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}">'
    '<title id="plan-title">{title}</title><desc id="plan-words">{words}</desc>'
)
_ARROWHEADS = "<defs>" + "".join(
    f'<marker id="head-{kind}" class="head {kind}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
    'markerHeight="7" orient="auto-start-reverse"><path d="M0 1 L10 5 L0 9 z"/></marker>'
    for kind in ("both", "parents", "cut")
) + "</defs>"  # fmt: skip


def write_svg(drawing: Drawing, style: str = "") -> str:
    """The picture; with ``style``, a sheet of its own, it stands alone."""
    columns = {name: box.depth for name, box in drawing.boxes.items()}
    sizes = {name: _height(box) + GAP for name, box in drawing.boxes.items()}
    layout = lay_out(columns, sizes, [(arrow.child, arrow.parent) for arrow in drawing.arrows])
    lefts, widths, width = _columns(drawing)
    parts = [
        _HEAD.format(
            width=max(width, 1),
            height=max(layout.height, 1),
            title=_safe(f"Plan of {drawing.title}"),
            words=_safe(tell(drawing)),
        ),
        f"<style>{style}</style>" if style else "",
        _ARROWHEADS,
    ]
    for arrow, way in zip(drawing.arrows, layout.ways, strict=True):
        parts.append(_arrow(arrow, way, drawing, layout, lefts, widths))
    for name, box in drawing.boxes.items():
        parts.append(_box(box, lefts[box.depth], layout.middles[name], widths[box.depth]))
    return "".join([*parts, "</svg>"])


def _columns(drawing: Drawing) -> tuple[dict[int, float], dict[int, float], float]:
    """Of each column where it begins and how wide it is, and the width of all."""
    widths: dict[int, float] = {}
    for box in drawing.boxes.values():
        widths[box.depth] = max(widths.get(box.depth, 0.0), _width(box))
    lefts, left = {}, 1.0
    for depth in range(max(widths, default=-1) + 1):
        lefts[depth] = left
        left += widths.setdefault(depth, 0.0) + COLUMN_GAP
    return lefts, widths, left - COLUMN_GAP + 40  # room for arrows within the last column


def _lines(box: Box) -> list[tuple[str, str]]:
    """What stands below the name: class and words."""
    if box.absent:
        return [("absent", "left out")]
    if box.refused:
        return [("refused", "\N{MULTIPLICATION SIGN} refused")]
    rows = "? rows" if box.rows is None else f"\N{ALMOST EQUAL TO} {box.rows:,} rows".replace(",", "\u202f")
    found = [("rows", rows.replace(" rows", " row") if box.rows == 1 else rows)]
    if box.masks:
        found.append(("masks", f"{len(box.masks)} masked"))
    if box.place:
        found.append(("place", box.place))
    return found


def _width(box: Box) -> float:
    title = TITLE_LETTER * min(len(box.name), MOST_LETTERS)
    return 2 * PAD + max([title, 96.0, *(LETTER * min(len(words), MOST_LETTERS) for _, words in _lines(box))])


def _height(box: Box) -> float:
    return 2 * PAD + LINE * len(_lines(box)) + LINE - 4


def _box(box: Box, left: float, middle: float, width: float) -> str:
    height = _height(box)
    top = middle - height / 2
    kind = "refused" if box.refused else "absent" if box.absent else "root" if box.root else "table"
    masks = (f"{column}: {mask}" for column, mask in box.masks)
    said = [box.name, *(words for _, words in _lines(box)), *box.refused, *masks]
    parts = [
        f'<g class="box {kind}"><title>{_safe("; ".join(said))}</title>',
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" rx="9"/>',
        f'<text class="label" x="{left + PAD:.1f}" y="{top + PAD + 12:.1f}">{_safe(_short(box.name))}</text>',
    ]
    for number, (line, words) in enumerate(_lines(box), start=1):
        y = top + PAD + 12 + LINE * number
        parts.append(f'<text class="{line}" x="{left + PAD:.1f}" y="{y:.1f}">{_safe(_short(words))}</text>')
    return "".join([*parts, "</g>"])


def _arrow(  # noqa: PLR0917 - where both ends are
    arrow: Arrow,
    way: Sequence[tuple[int, float]],
    drawing: Drawing,
    layout: Layout,
    lefts: Mapping[int, float],
    widths: Mapping[int, float],
) -> str:
    first, last = drawing.boxes[arrow.child].depth, drawing.boxes[arrow.parent].depth
    start, end = layout.middles[arrow.child], layout.middles[arrow.parent]
    if first == last:
        right = lefts[first] + widths[first]
        lift = 9 if arrow.child == arrow.parent else 0
        bend = right + 30
        path = f"M{right:.1f} {start - lift:.1f} C{bend:.1f} {start - lift:.1f} {bend:.1f} {end + lift:.1f} "
        path += f"{right:.1f} {end + lift:.1f}"
    else:
        forward = first < last
        here = lefts[first] + widths[first] if forward else lefts[first]
        there = lefts[last] if forward else lefts[last] + widths[last]
        points = [(here, start)]
        for column, height in way:
            sides = [(lefts[column], height), (lefts[column] + widths[column], height)]
            points += sides if forward else sides[::-1]
        path = _curve([*points, (there, end)])
    said = f"{arrow.name}: {arrow.columns}" + (", not followed" if arrow.followed == "cut" else "")
    return (
        f'<path class="key {arrow.followed}" d="{path}" marker-end="url(#head-{arrow.followed})">'
        f"<title>{_safe(said)}</title></path>"
    )


def _curve(points: Sequence[tuple[float, float]]) -> str:
    parts = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for (x, y), (to_x, to_y) in pairwise(points):
        middle = (x + to_x) / 2
        parts.append(f"C{middle:.1f} {y:.1f} {middle:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}")
    return " ".join(parts)


def _short(words: str) -> str:
    return words if len(words) <= MOST_LETTERS else words[: MOST_LETTERS - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _safe(words: str) -> str:
    return escape(_NOT_XML.sub("\ufffd", words))
