"""Charts as plain SVG: a bar for each row against its bar, and curves on logarithmic axes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH = 760
LABEL = 330
LINE = 22
COLOURS = ("#00796b", "#c2185b", "#1565c0", "#ef6c00")
MET, MISSED, TEXT, GRID = "#00796b", "#c62828", "#444", "#ccc"
DECADES = 2  # the bars span from a hundredth to a hundredfold of what is asked


@dataclass(frozen=True)
class Bar:
    """``share`` is how far beyond the bar: 1 is exactly met, 2 is twice as good."""

    label: str
    share: float
    text: str


def _svg(height: float, parts: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:g}" font-family="sans-serif"'
    paper = '<rect width="100%" height="100%" fill="#fff"/>'
    return "\n".join([f'{head} font-size="12">', paper, *parts, "</svg>", ""])


def _text(x: float, y: float, words: str, anchor: str = "start", fill: str = TEXT) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}">{escape(words)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str = GRID) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def draw_bars(bars: Sequence[Bar]) -> str:
    """Bars to the right of the middle meet what is asked, bars to the left miss it; each decade is a tenfold."""
    half = (WIDTH - LABEL - 60) / 2
    middle = LABEL + half
    parts: list[str] = []
    bottom = 30 + LINE * len(bars)
    for power, words in ((-1, "a tenth"), (0, "at least"), (1, "tenfold")):
        x = middle + half * power / DECADES
        parts += [_line(x, 24, x, bottom), _text(x, 16, words, "middle")]
    for number, bar in enumerate(bars):
        y = 30 + LINE * number
        reach = max(-1.0, min(1.0, math.log10(max(bar.share, 1e-9)) / DECADES)) * half
        colour = MET if bar.share >= 1 else MISSED
        left = middle + min(reach, 0)
        parts.append(_text(LABEL - 8, y + 13, bar.label, "end"))
        parts.append(f'<rect x="{left:.1f}" y="{y + 3}" width="{max(abs(reach), 1):.1f}" height="13" fill="{colour}"/>')
        parts.append(_text(middle + max(reach, 0) + 5, y + 13, bar.text, fill=colour))
    return _svg(bottom + 8, parts)


def draw_curves(curves: Mapping[str, Mapping[float, float]], x_name: str, y_name: str) -> str:
    """Curves with both axes logarithmic; a straight rising line is a cost in proportion."""
    points = [point for curve in curves.values() for point in curve.items()]
    left, top, right, bottom = 70.0, 20.0, WIDTH - 20.0, 260.0
    x_low, x_high = _decades([x for x, _ in points])
    y_low, y_high = _decades([y for _, y in points])

    def place(x: float, y: float) -> tuple[float, float]:
        across = (math.log10(x) - x_low) / (x_high - x_low)
        up = (math.log10(y) - y_low) / (y_high - y_low)
        return left + across * (right - left), bottom - up * (bottom - top)

    parts: list[str] = []
    for power in range(x_low, x_high + 1):
        x, _ = place(10.0**power, 10.0**y_low)
        parts += [_line(x, top, x, bottom), _text(x, bottom + 16, f"{10**power:,}", "middle")]
    for power in range(y_low, y_high + 1):
        _, y = place(10.0**x_low, 10.0**power)
        parts += [_line(left, y, right, y), _text(left - 6, y + 4, f"{10.0**power:g}", "end")]
    parts += [_text((left + right) / 2, bottom + 34, x_name, "middle"), _text(6, 14, y_name)]
    for number, (name, curve) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        placed = [place(x, y) for x, y in sorted(curve.items())]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in placed]
        parts.append(_text(left + 10, bottom + 54 + 16 * number, f"— {name}", fill=colour))
    return _svg(bottom + 60 + 16 * len(curves), parts)


def _decades(values: Sequence[float]) -> tuple[int, int]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)
