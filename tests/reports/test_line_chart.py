"""The chart: well-formed, to scale, told apart by more than colour."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from reports.line_chart import BOTTOM, COLOURS, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Line, looks, step_chart, ticks

LINES = [Line("PGD", [0, 10, 20], [100, 50, 0]), Line("<FreeLB> & co", [0], [25])]


def chart() -> ElementTree.Element:
    return ElementTree.fromstring(step_chart("A <title>", "Queries", "Aua %", LINES, looks(["PGD", "<FreeLB> & co"])))


def test_a_line_steps_from_corner_to_corner() -> None:
    path = chart().find("path")
    left, right, top, bottom = LEFT, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM
    middle, half = (left + right) / 2, (top + bottom) / 2
    expected = f"M{left:.1f} {top:.1f}H{middle:.1f}V{half:.1f}H{right:.1f}V{bottom:.1f}H{right:.1f}"
    assert path is not None and path.get("d") == expected


def test_a_constant_line_reaches_across() -> None:
    assert chart().findall("path")[1].get("d", "").endswith(f"H{WIDTH - RIGHT:.1f}")


def test_axes_and_legend_are_labelled() -> None:
    words = [text.text for text in chart().findall("text")]
    assert {"A <title>", "Queries", "Aua %", "PGD", "<FreeLB> & co", "0", "20", "100"} <= set(words)
    assert chart().get("role") == "img" and chart().get("aria-label") == "A <title>"


def test_nothing_is_fetched() -> None:
    assert not re.search(
        r"href|url\(|<script|<style|http", step_chart("t", "x", "y", LINES, looks(["PGD", LINES[1].name]))
    )


def test_no_lines_make_an_empty_chart() -> None:
    assert "</svg>" in step_chart("t", "x", "y", [], {})


def test_looks_differ_in_colour_and_dashes_and_beyond_seven_in_their_pair() -> None:
    seven = looks([f"m{n}" for n in range(7)])
    assert len({look.colour for look in seven.values()}) == len({look.dashes for look in seven.values()}) == 7
    assert len(set(looks([f"m{n}" for n in range(49)]).values())) == 49
    assert looks(["a", "b"])["a"].colour == COLOURS[0]


@pytest.mark.parametrize(
    ("top", "expected"),
    [
        (1, [0, 1]),
        (6, [0, 1, 2, 3, 4, 5, 6]),
        (46, [0, 10, 20, 30, 40]),
        (1234, [0, 500, 1000]),
        (99, [0, 20, 40, 60, 80]),
    ],
)
def test_ticks_are_round(top: int, expected: list[int]) -> None:
    assert ticks(top) == expected


def test_there_are_always_a_few_ticks() -> None:
    assert all(2 <= len(ticks(top)) <= 7 for top in range(1, 20_000))
