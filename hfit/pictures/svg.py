"""SVG: a plan's picture as the server draws it, looked through before it is kept, and the way to a row, drawn here.

A browser that opens an SVG file runs what is in it, so a server's picture is not believed (attack C06): it has to be
well-formed, hold only elements and attributes that pictures of ours are made of, and refer to nothing outside itself.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from html import escape

from hfit.answers import json_body, malformed
from hfit.gateway import Gateway, Parameters
from hfit.pictures.drawing import Drawing
from hfit.text import visible

MAX_BYTES = 16 << 20
_SPACE = "{http://www.w3.org/2000/svg}"
_ELEMENTS = {_SPACE + name for name in
             ("svg", "title", "desc", "style", "defs", "marker", "path", "g", "rect", "text")}  # fmt: skip
_ATTRIBUTES = {
    "class", "role", "aria-labelledby", "width", "height", "viewBox", "id", "x", "y", "rx", "d", "refX", "refY",
    "markerWidth", "markerHeight", "orient", "marker-end",
}  # fmt: skip
_OUTSIDE = re.compile(r"url\(\s*(?!#[\w-]+\))|@import|expression|&", re.I)
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#17211f}.label{font-weight:600}rect{fill:#fff;stroke:#8d9a96}"
    ".root rect{fill:#e3f1ee;stroke:#0b6b5d;stroke-width:2}path{fill:none;stroke:#0b6b5d}.key{fill:#55625f}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edeb}rect{fill:#1d2523}.root rect{fill:#17322d;stroke:#63d2bf}"
    "path{stroke:#63d2bf}.key{fill:#a3b1ad}}"
)
_LINE, _PAD, _GAP, _LETTER = 19, 12, 46, 7.9


def plan_svg(gateway: Gateway, name: str, parameters: Parameters, *, prepare: bool, watch: str = "") -> str:
    """The picture of a plan; AnswerMalformed when the server sends anything that is no such picture."""
    given = dict(parameters) if isinstance(parameters, dict) else list(parameters)
    body = json_body({"template_name": name, "parameters": given, "prepare": prepare})
    headers = {"Content-Type": "application/json", "Accept": "image/svg+xml"}
    if watch:
        headers["X-Hfit-Watch"] = watch
    with gateway.open("POST", "/packplan", body=body, headers=headers, repeat=True, slow=True) as response:
        return check_svg(response.read(MAX_BYTES))


def check_svg(data: bytes) -> str:
    """The text of a picture that can do nothing but be looked at."""
    try:
        text = data.decode()
        if "<!" in text or "<?" in text:
            raise ValueError("a document type or an instruction")
        for element in ET.fromstring(text).iter():  # noqa: S314 - without a document type there are no entities
            if element.tag not in _ELEMENTS or not element.attrib.keys() <= _ATTRIBUTES:
                raise ValueError("an element or attribute that no picture needs")
            style = (element.text or "") if element.tag == _SPACE + "style" else ""
            if _OUTSIDE.search(style + element.attrib.get("marker-end", "")):
                raise ValueError("a reference to elsewhere")
    except (ValueError, ET.ParseError) as error:
        raise malformed() from error
    return text


def chain_svg(drawing: Drawing) -> str:
    """The way to a row, from top to bottom: boxes in the order they have, each key beside its arrow."""
    texts = [*(line for box in drawing.boxes for line in box.lines), *(arrow.label for arrow in drawing.arrows)]
    width = max(map(len, texts), default=0) * _LETTER + 2 * _PAD + 40
    top, parts = 1.0, []
    for number, box in enumerate(drawing.boxes):
        height = _LINE * len(box.lines) + 2 * _PAD - 4
        wide = max(map(len, box.lines)) * _LETTER + 2 * _PAD
        parts.append(f'<g class="{box.kind}"><rect x="1" y="{top:.0f}" width="{wide:.0f}" height="{height}" rx="8"/>')
        for place, line in enumerate(box.lines):
            y = top + _PAD + 11 + _LINE * place
            kind = "key" if place else "label"
            parts.append(f'<text class="{kind}" x="{1 + _PAD}" y="{y:.0f}">{_safe(line)}</text>')
        parts.append("</g>")
        top += height
        if number < len(drawing.arrows):
            parts.append(f'<path d="M30 {top:.0f} V{top + _GAP:.0f} m-5 -8 l5 8 l5 -8"/>')
            label = _safe(drawing.arrows[number].label)
            parts.append(f'<text class="key" x="46" y="{top + _GAP / 2 + 5:.0f}">{label}</text>')
            top += _GAP
    said = _safe(", then ".join(box.lines[0] for box in drawing.boxes))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width:.0f}" height="{top + 1:.0f}">'
    return f"{head}<title>The way to the row: {said}</title><style>{_STYLE}</style>{''.join(parts)}</svg>\n"


def _safe(words: str) -> str:
    return escape(visible(words).replace("\ufffe", "?").replace("\uffff", "?"))
