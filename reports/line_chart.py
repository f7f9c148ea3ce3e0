"""Falling step lines as an SVG drawing that stands in a page by itself: no script, no font, no other file."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Okabe and Ito's colours for the colour-blind, without the yellow that white swallows; dashes tell lines apart in grey
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ("", "7 3", "2 3", "10 3 2 3", "14 4", "5 2 1 2 1 2", "4 4")

WIDTH, HEIGHT = 560, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 34, 46
LEGEND_LINE = 17
LONG_NAME = 30


@dataclass(frozen=True)
class Line:
    """A step line: its value holds from each `x` to the next.

    Attributes:
        name: shown in the legend.
        x: ascending, at least one.
        y: in [0, 100], as many.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True)
class Look:
    """How a line is drawn: its colour and the dashes of its stroke."""

    colour: str
    dashes: str


def looks(names: Sequence[str]) -> dict[str, Look]:
    """A look of its own for each name: seven colours, each with its dashes, then the colours with the next dashes."""
    count = len(COLOURS)
    return {
        name: Look(COLOURS[index % count], DASHES[(index + index // count) % len(DASHES)])
        for index, name in enumerate(dict.fromkeys(names))
    }


def step_chart(title: str, x_label: str, y_label: str, lines: Sequence[Line], look: Mapping[str, Look]) -> str:
    """The lines over a horizontal axis from 0 and a vertical one from 0 to 100, with a legend below, as `svg`."""
    top = max((line.x[-1] for line in lines), default=0) or 1
    abreast = 1 if any(len(line.name) > LONG_NAME for line in lines) else 2
    height = HEIGHT + LEGEND_LINE * math.ceil(len(lines) / abreast) + 8

    def across(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * value / top

    def down(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / 100

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{html.escape(title)}" '
        'font-family="system-ui, sans-serif" font-size="12" fill="#222">',
        f'<text x="{LEFT}" y="18" font-size="14" font-weight="600">{html.escape(title)}</text>',
    ]
    for value in range(0, 101, 20):
        parts += [
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{down(value):.1f}" y2="{down(value):.1f}" stroke="#ddd"/>',
            f'<text x="{LEFT - 6}" y="{down(value) + 4:.1f}" text-anchor="end">{value}</text>',
        ]
    for value in ticks(top):
        parts += [
            f'<line x1="{across(value):.1f}" x2="{across(value):.1f}" y1="{down(0):.1f}" y2="{down(0) + 4:.1f}" '
            'stroke="#222"/>',
            f'<text x="{across(value):.1f}" y="{down(0) + 18:.1f}" text-anchor="middle">{value:,}</text>',
        ]
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts += [
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{down(0):.1f}" y2="{down(0):.1f}" stroke="#222"/>',
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.1f}" y="{HEIGHT - 10}" text-anchor="middle">'
        f"{html.escape(x_label)}</text>",
        f'<text transform="translate(14 {middle:.1f}) rotate(-90)" text-anchor="middle">{html.escape(y_label)}</text>',
    ]
    for index, line in enumerate(lines):
        stroke = f'stroke="{look[line.name].colour}" stroke-width="2" stroke-dasharray="{look[line.name].dashes}"'
        left = LEFT + index % abreast * (WIDTH - LEFT) / 2
        base = HEIGHT + 12 + index // abreast * LEGEND_LINE
        steps = "".join(f"H{across(x):.1f}V{down(y):.1f}" for x, y in zip(line.x[1:], line.y[1:], strict=True))
        parts += [
            f'<path d="M{across(line.x[0]):.1f} {down(line.y[0]):.1f}{steps}H{across(top):.1f}" fill="none" {stroke}/>',
            f'<line x1="{left:.1f}" x2="{left + 28:.1f}" y1="{base}" y2="{base}" {stroke}/>',
            f'<text x="{left + 34:.1f}" y="{base + 4}">{html.escape(line.name)}</text>',
        ]
    return "\n".join([*parts, "</svg>\n"])


def ticks(top: float) -> list[int]:
    """Whole marks from 0 to at most `top`, about five, at steps of 1, 2 or 5 times a power of ten."""
    power = 10 ** max(0, math.floor(math.log10(max(top, 1) / 5)))
    step = next(factor * power for factor in (1, 2, 5, 10) if top / (factor * power) <= 6)
    return list(range(0, math.floor(top) + 1, step))
