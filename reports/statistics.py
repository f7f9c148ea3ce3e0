"""Means, spreads and intervals over runs; ratios of times, refused where they would compare unlike things."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Summary:
    """A quantity over runs.

    Attributes:
        mean: NaN over no runs.
        std: sample standard deviation (ddof 1), NaN for fewer than two runs.
        count: runs.
        low, high: 95 % t interval of the mean, NaN for fewer than two runs.
    """

    mean: float
    std: float
    count: int
    low: float
    high: float


def summarise(values: Sequence[float]) -> Summary:
    """Summary of the finite values."""
    finite = np.asarray([value for value in values if np.isfinite(value)], float)
    if len(finite) == 0:
        return Summary(np.nan, np.nan, 0, np.nan, np.nan)
    mean = float(finite.mean())
    if len(finite) == 1:
        return Summary(mean, np.nan, 1, np.nan, np.nan)
    std = float(finite.std(ddof=1))
    half = float(stats.t.ppf(0.975, len(finite) - 1)) * std / np.sqrt(len(finite))
    return Summary(mean, std, len(finite), mean - half, mean + half)


def time_ratio(baseline: Mapping[int, float], method: Mapping[int, float]) -> Summary:
    """How many times faster the method is: the mean log ratio of seconds over the seeds both have, back as a ratio.

    Args:
        baseline, method: seconds by seed; a seed is a block in which both ran.
    Returns:
        `std` is that of the log ratios; the interval is for the ratio.
    """
    seeds = sorted(baseline.keys() & method.keys())
    logs = summarise([float(np.log(baseline[seed] / method[seed])) for seed in seeds if method[seed] > 0])
    return Summary(float(np.exp(logs.mean)), logs.std, logs.count, float(np.exp(logs.low)), float(np.exp(logs.high)))


def refuse_unlike(first: Mapping[str, Any], second: Mapping[str, Any]) -> None:
    """Refuses a ratio between runs on different footings.

    Raises:
        ValueError: naming what differs.
    """
    unlike = [name for name in first if first[name] != second.get(name)]
    if unlike:
        named = "; ".join(f"{name} is {first[name]!r} and {second.get(name)!r}" for name in unlike)
        raise ValueError(f"times are not comparable: {named}")
