"""Alpha against the worked example of its author, and at its ends."""

from __future__ import annotations

import math

import pytest

from reports.krippendorff import alpha

# Four observers, twelve units; a dot is a missing value.
OBSERVERS = ("1 2 3 3 2 1 4 1 2 . . .", "1 2 3 3 2 2 4 1 2 5 . 3", ". 3 3 3 2 3 4 2 2 5 1 .", "1 2 3 3 2 4 4 1 2 5 1 .")
UNITS = [[int(value) for value in unit if value != "."] for unit in zip(*map(str.split, OBSERVERS), strict=True)]


@pytest.mark.parametrize(("scale", "published"), [("nominal", 0.743), ("ordinal", 0.815)])
def test_the_published_example(scale: str, published: float) -> None:
    assert round(alpha(UNITS, scale), 3) == published


def test_the_order_of_raters_and_lonely_values_change_nothing() -> None:
    shuffled = [unit[::-1] for unit in reversed(UNITS)]
    assert alpha([*shuffled, [1], []], "ordinal") == pytest.approx(alpha(UNITS, "ordinal"))


@pytest.mark.parametrize("scale", ["nominal", "ordinal"])
def test_the_ends_of_the_scale(scale: str) -> None:
    assert alpha([[1, 1], [2, 2, 2], [4, 4]], scale) == pytest.approx(1)
    assert alpha([[1, 2], [1, 2]], scale) < 0
    assert math.isnan(alpha([[1, 1], [1, 1]], scale)) and math.isnan(alpha([], scale))


def test_words_are_nominal_values() -> None:
    assert alpha([["yes", "yes"], ["no", "no"], ["yes", "unclear"]], "nominal") < 1
