"""Pictures: whatever a table is called stays a text in them, and a server's SVG is not believed."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from hfit.errors import AnswerMalformed
from hfit.explain import Link
from hfit.pictures.drawing import Arrow, Box, Drawing, draw_chain, draw_plan, write_dot, write_mermaid
from hfit.pictures.svg import chain_svg, check_svg

HOSTILE = 'a"]; x -> y <script>|"` \\" \n\x1b[31m\u202e end'
GOOD = (
    '<svg xmlns="http://www.w3.org/2000/svg" class="plan" role="img" width="9" height="9"><style>.a{fill:#fff}</style>'
    '<path class="key both" d="M0 0" marker-end="url(#head-both)"/><text x="1" y="2">a &lt;b&gt; &amp; c</text></svg>'
)
BAD = {
    "a script": "<script>alert(1)</script>",
    "a handler": '<rect onclick="alert(1)"/>',
    "a link": '<a href="javascript:alert(1)"><text>x</text></a>',
    "a picture from elsewhere": '<image href="http://evil.example/x"/>',
    "a page in it": "<foreignObject/>",
    "a style from elsewhere": "<style>@import 'http://evil.example/x'</style>",
    "a style that asks elsewhere": "<style>rect{fill:url(http://evil.example/x)}</style>",
    "a marker from elsewhere": '<path marker-end="url(http://evil.example/#x)"/>',
    "an animation": '<set attributeName="href" to="x"/>',
    "another language": '<b xmlns="http://www.w3.org/1999/xhtml">x</b>',
    "a comment": "<!-- x -->",
    "an instruction": "<?xml-stylesheet href='x'?>",
    "a half element": "<g>",
}
PLAN = {
    "exports": [
        {"key": "ddl.sql", "type": "table-create", "provider": "p", "database": "d",
         "tables": [{"table": "never", "path": [], "masks": {}}]},
        {"key": "case.sql", "type": "subset", "provider": "p", "database": "d", "tables": [
            {"table": "a", "path": ["a"], "masks": {}, "estimated_rows": 1, "keys": []},
            {"table": HOSTILE, "path": ["a", "b"], "masks": {"x": "hash"}, "estimated_rows": None, "keys": [
                {"name": "fk", "to": "a", "followed": "both"}, {"name": "cut", "to": "gone", "followed": "cut"}]},
        ]},
    ]
}  # fmt: skip


def test_a_plans_drawing_has_every_table_once_and_its_keys() -> None:
    drawing = draw_plan(PLAN)
    found = [(box.lines[0], box.kind) for box in drawing.boxes]
    assert found == [("a", "root"), (HOSTILE, "plain"), ("gone", "absent")]
    assert drawing.boxes[1].lines[1:] == ("? rows", "1 masked")
    assert drawing.arrows == (Arrow(1, 0, "fk"), Arrow(1, 2, "cut", cut=True))


def test_dot_keeps_every_name_inside_its_quotes() -> None:
    text = write_dot(draw_plan(PLAN))
    for line in text.splitlines()[3:-1]:
        unquoted = re.sub(r'"(?:[^"\\]|\\.)*"', '""', line)
        assert re.fullmatch(r'  n\d+(?: -> n\d+)? \[label=""(, (style=dashed|penwidth=2))?\];', unquoted), line
    assert not re.search(r"[\x1b\u202e]", text)


def test_mermaid_holds_nothing_of_a_name_that_means_something_there() -> None:
    text = write_mermaid(draw_plan(PLAN))
    line = next(line for line in text.splitlines() if line.startswith("  n1["))
    inside = line.removeprefix('  n1["').removesuffix('"]').replace("<br/>", "")
    assert not set(inside) & set("\"<>|[]{}`\\'\x1b\u202e")
    assert "#60;script#62;" in inside
    assert '  n1 -.->|"cut"| n2' in text.splitlines()


@pytest.mark.parametrize("broken", [{}, {"exports": {}}, {"exports": [{"type": "subset", "tables": [1]}]}])
def test_c11_a_malformed_plan_is_said_to_be_one(broken: dict[str, object]) -> None:
    with pytest.raises(AnswerMalformed):
        draw_plan(broken)


def test_the_way_to_a_row_is_drawn_from_the_root_down() -> None:
    chain = [Link("a", {"id": "1"}), Link(HOSTILE, {"": "#2<&"}, "fk", "id -> a_id")]
    drawing = draw_chain(chain)
    picture = ET.fromstring(check_svg(chain_svg(drawing).encode()))
    texts = [element.text or "" for element in picture.iter() if element.tag.endswith("}text")]
    assert texts[:3] == ["a", "id = 1", "fk: id -> a_id"]
    assert texts[-1] == "#2<&"
    assert "\x1b" not in "".join(texts)
    assert chain_svg(Drawing((Box(("a",), "root"),), ())).count("<rect") == 1


def test_c06_a_picture_of_the_server_is_kept_as_it_is() -> None:
    assert check_svg(GOOD.encode()) == GOOD


@pytest.mark.parametrize("name", BAD)
def test_c06_a_picture_that_can_do_more_than_be_looked_at_is_refused(name: str) -> None:
    with pytest.raises(AnswerMalformed):
        check_svg(GOOD.replace("<path", BAD[name] + "<path", 1).encode())


@pytest.mark.parametrize("data", [b"", b"\xff", b"{}", b"<svg/>", GOOD.encode() + b"<svg/>"])
def test_c06_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(AnswerMalformed):
        check_svg(data)
