"""Layouts of any graph: nothing overlaps, nothing is lost, and neighbours are near."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET

from hypothesis import given, settings
from hypothesis import strategies as st

from hfitd.web.picture.layers import POINT, lay_out
from hfitd.web.picture.plan import Arrow, Box, Drawing, draw_plan, tell
from hfitd.web.picture.svg import write_svg

GRAPHS = st.integers(1, 14).flatmap(
    lambda count: st.tuples(
        st.lists(st.integers(0, 4), min_size=count, max_size=count),
        st.lists(st.integers(20, 90), min_size=count, max_size=count),
        st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=24),
    )
)
TEXT = st.text(max_size=40)


@settings(max_examples=60, deadline=None)
@given(GRAPHS)
def test_boxes_of_a_column_never_overlap_and_everything_is_inside(
    graph: tuple[list[int], list[int], list[tuple[int, int]]],
) -> None:
    columns, sizes, edges = graph
    names = [str(number) for number in range(len(columns))]
    layout = lay_out(
        dict(zip(names, columns, strict=True)),
        dict(zip(names, map(float, sizes), strict=True)),
        [(str(a), str(b)) for a, b in edges],
    )
    assert set(layout.middles) == set(names)
    for column in set(columns):
        spans = [(layout.middles[n], float(sizes[int(n)])) for n in names if columns[int(n)] == column]
        spans += [(height, POINT) for way in layout.ways for place, height in way if place == column]
        spans.sort()
        for (one, size), (other, next_size) in itertools.pairwise(spans):
            assert other - one >= (size + next_size) / 2 - 1e-6
        assert spans[0][0] - spans[0][1] / 2 >= -1e-6
        assert spans[-1][0] + spans[-1][1] / 2 <= layout.height + 1e-6
    for (a, b), way in zip(edges, layout.ways, strict=True):
        assert len(way) == max(abs(columns[a] - columns[b]) - 1, 0)


def test_a_chain_lies_on_one_line_and_two_children_on_both_sides_of_it() -> None:
    columns = {"a": 0, "b": 1, "c": 2, "d": 3, "e": 3}
    edges = [("b", "a"), ("c", "b"), ("d", "c"), ("e", "c")]
    middles = lay_out(columns, dict.fromkeys(columns, 40.0), edges).middles
    assert abs(middles["a"] - middles["b"]) < 1
    assert abs(middles["b"] - middles["c"]) < 1
    assert abs((middles["d"] + middles["e"]) / 2 - middles["c"]) < 1


@settings(max_examples=60, deadline=None)
@given(name=TEXT, other=TEXT, key=TEXT, place=TEXT, rows=st.none() | st.integers(0, 10**12))
def test_any_name_gives_a_well_formed_picture(name: str, other: str, key: str, place: str, rows: int | None) -> None:
    boxes = {
        "a": Box(name, place, 0, rows, (("c", key),), root=True),
        "b": Box(other, place, 1, absent=True),
        "c": Box(name, place, 3),
    }
    ends = (("a", "b", "cut"), ("a", "a", "both"), ("c", "a", "parents"))
    drawing = Drawing(name, boxes, tuple(Arrow(child, parent, key, name, kind) for child, parent, kind in ends))
    picture = ET.fromstring(write_svg(drawing, "text { fill: red }"))
    assert len(picture.findall(".//{http://www.w3.org/2000/svg}rect")) == 3
    assert "1 table with masked columns" in tell(drawing)


def test_a_plan_without_tables_is_a_picture_too() -> None:
    assert ET.fromstring(write_svg(Drawing("empty", {}, ()))).attrib["width"] == "1"


def test_what_refuses_the_whole_package_has_a_box_of_its_own_and_one_export_its_first_table() -> None:
    """A quota is about all of it, the cost guard about a statement."""
    source = {"provider": "shop", "database": "shop"}
    table = {"table": "public.a", "path": ["public.a"], "estimated_rows": 9, "masks": {"x": "hash"}, "keys": []}
    below = table | {"table": "public.b", "path": ["public.a", "public.b (fk)"]}
    cost = {"where": "a.sql", "code": "COST_REFUSED", "message": "It costs too much.", "suggestions": []}
    exports = [
        {"key": "a.sql", "type": "subset", **source, "tables": [below, table], "refusals": [cost]},
        {"key": "ddl.sql", "type": "dbcreate", **source, "tables": [table], "refusals": [{**cost, "message": "No."}]},
    ]
    plan = {"template": {"name": "t"}, "exports": exports, "refusals": ["The day's rows are used up."]}
    drawing = draw_plan(plan)
    refused = {box.name: box.refused for box in drawing.boxes.values() if box.refused}
    assert refused == {
        "public.a": ("It costs too much.",), "ddl.sql": ("No.",), "the package": ("The day's rows are used up.",),
    }  # fmt: skip
    assert "refused: the package, The day's rows are used up" in tell(drawing)
    picture = ET.fromstring(write_svg(drawing))
    kinds = [group.get("class") for group in picture.iter("{http://www.w3.org/2000/svg}g")]
    assert sorted(map(str, kinds)) == ["box refused", "box refused", "box refused", "box table"]
