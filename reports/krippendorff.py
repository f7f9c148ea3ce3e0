"""Agreement of raters beyond chance: Krippendorff's alpha.

Source: Krippendorff, "Computing Krippendorff's Alpha-Reliability", 2011.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np


def alpha(units: Sequence[Sequence[Any]], scale: Literal["nominal", "ordinal"]) -> float:
    """1 minus observed over expected disagreement: 1 for perfect agreement, 0 for chance; NaN if nothing can disagree.

    Args:
        units: the values that raters gave to each unit, without missing ones; a unit with fewer than two says nothing.
        scale: "nominal" counts any difference; "ordinal" counts how many values lie between two.
    """
    pairable = [unit for unit in units if len(unit) > 1]
    values = sorted({value for unit in pairable for value in unit})
    if len(values) < 2:
        return math.nan
    places = {value: place for place, value in enumerate(values)}
    together = np.zeros((len(values), len(values)))  # how often two values met in a unit
    for unit in pairable:
        counts = np.bincount([places[value] for value in unit], minlength=len(values))
        together += (np.outer(counts, counts) - np.diag(counts)) / (len(unit) - 1)
    totals = together.sum(axis=1)
    by_chance = (np.outer(totals, totals) - np.diag(totals)) / (totals.sum() - 1)
    distances = _distances(totals, scale)
    return float(1 - (together * distances).sum() / (by_chance * distances).sum())


def _distances(totals: np.ndarray, scale: str) -> np.ndarray:
    """Squared distances (V, V) of V values; `totals` is how often each value was given."""
    if scale == "nominal":
        return 1.0 - np.eye(len(totals))
    middles = np.cumsum(totals) - totals / 2
    return (middles[:, None] - middles[None, :]) ** 2
