"""Means, spreads and intervals over runs and texts; ratios of times, with an error if conditions differ.

Measurements on texts are a matrix (R, N): R runs on the same N texts. An entry is a text's contribution to the
mean: 100 or 0 for a percentage, their difference for two methods paired by run and text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import stats

from baselines.validation import UserError

RESAMPLES = 10_000
BOOTSTRAP_SEED = 0
ONE_SIDED = 0.025


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
    half = float(stats.t.ppf(1 - ONE_SIDED, len(finite) - 1)) * std / np.sqrt(len(finite))
    return Summary(mean, std, len(finite), mean - half, mean + half)


@dataclass(frozen=True)
class Estimate:
    """A quantity with its interval.

    Attributes:
        value: the quantity.
        low, high: its 95 % interval; NaN if there is none.
        runs: number of runs.
        texts: number of texts in each run; None if it is not measured on texts.
        share_above: returns the share, in [0, 1], of the distribution behind the interval at or above a bound: the
            one-sided p-value of "the quantity is at least this". None if there is no such distribution.
    """

    value: float
    low: float
    high: float
    runs: int
    texts: int | None = None
    share_above: Callable[[float], float] | None = field(default=None, compare=False, repr=False)

    def excludes(self, value: float) -> bool:
        """Whether the interval lies entirely on one side of a value; False if there is no interval."""
        return self.low > value or self.high < value


def two_level(entries: np.ndarray, seed: int = BOOTSTRAP_SEED) -> Estimate:
    """Mean of a matrix (R, N) with a 95 % percentile interval over runs and texts, both resampled.

    With one run only the texts are resampled, and the interval says nothing about another run.

    Raises:
        ValueError: for a matrix without a run or a text.
    """
    return _estimate(entries.mean(), resampled_means(entries, np.random.default_rng(seed)), entries)


def two_level_difference(first: np.ndarray, second: np.ndarray, seed: int = BOOTSTRAP_SEED) -> Estimate:
    """Mean of `first` minus mean of `second`, two matrices on different texts or runs, resampled independently.

    Matrices on the same texts and runs should be subtracted first, for `two_level`.
    """
    generator = np.random.default_rng(seed)
    drawn = resampled_means(first, generator) - resampled_means(second, generator)
    smaller = min(first, second, key=lambda entries: entries.shape)
    return _estimate(first.mean() - second.mean(), drawn, smaller)


def resampled_means(entries: np.ndarray, generator: np.random.Generator, resamples: int = RESAMPLES) -> np.ndarray:
    """Means, shape (resamples,), of a matrix (R, N) with runs and texts resampled with replacement.

    The two levels are drawn separately and their deviations added, so that noise of single entries counts twice and not
    three times as when rows and columns are drawn together (Owen, Annals of Applied Statistics 2007). Texts of equal
    means over runs are interchangeable: only the number of each kind is drawn. Deviations of run means are stretched by
    sqrt(R / (R - 1)) and by Student's t over the normal quantile, since a few runs underestimate their spread
    (Hesterberg, The American Statistician 2015).

    Raises:
        ValueError: for a matrix without a run or a text.
    """
    runs, texts = entries.shape
    if not runs or not texts:
        raise ValueError(f"a bootstrap needs a run and a text, got {runs} runs of {texts} texts")
    kinds, counts = np.unique(entries.mean(axis=0).round(9), return_counts=True)
    means = generator.multinomial(texts, counts / texts, size=resamples) @ kinds / texts
    if runs == 1:
        return means
    stretch = np.sqrt(runs / (runs - 1)) * stats.t.ppf(0.975, runs - 1) / stats.norm.ppf(0.975)
    deviations = stretch * (entries.mean(axis=1) - entries.mean())
    return means + generator.multinomial(runs, np.full(runs, 1 / runs), size=resamples) @ deviations / runs


def _estimate(value: float, drawn: np.ndarray, entries: np.ndarray) -> Estimate:
    low, high = np.quantile(drawn, (ONE_SIDED, 1 - ONE_SIDED))
    return Estimate(
        float(value), float(low), float(high), *entries.shape, share_above=lambda bound: float((drawn >= bound).mean())
    )


def over_runs(found: Summary, logarithmic: bool = False) -> Estimate:
    """The mean over runs as an estimate with its t interval.

    Args:
        logarithmic: whether `found` is a ratio from `time_ratio`, with the spread of its logarithms.
    """

    def share_above(bound: float) -> float:
        distance = math.log(bound / found.mean) if logarithmic else bound - found.mean
        error = found.std / math.sqrt(found.count)
        return float(stats.t.sf(distance / error, found.count - 1)) if error else float(distance <= 0)

    known = share_above if found.count > 1 else None
    return Estimate(found.mean, found.low, found.high, found.count, share_above=known)


def holm(p_values: Sequence[float], level: float = ONE_SIDED) -> list[bool]:
    """Which hypotheses are rejected when all are tested together; a false rejection has probability at most `level`.

    Source: Holm, Scandinavian Journal of Statistics 1979.
    """
    rejected = [False] * len(p_values)
    for done, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        if p_values[place] > level / (len(p_values) - done):
            break
        rejected[place] = True
    return rejected


@dataclass(frozen=True)
class Disagreement:
    """Texts that only one of two victims withstood, or read correctly.

    Attributes:
        only_first, only_second: how many.
        p_value: exact McNemar, two-sided; 1 if they never disagree. Valid for one run of each: texts of several runs
            are not independent.
    """

    only_first: int
    only_second: int
    p_value: float


def mcnemar(first: np.ndarray, second: np.ndarray) -> Disagreement:
    """Exact McNemar test of two victims on the same texts; both (N,), bool.

    Source: McNemar, Psychometrika 1947, in its exact binomial form.
    """
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    differing = only_first + only_second
    p_value = float(stats.binomtest(only_first, differing).pvalue) if differing else 1.0
    return Disagreement(only_first, only_second, p_value)


def time_ratio(baseline: Mapping[int, float], method: Mapping[int, float]) -> Summary:
    """How many times faster the method is: exponential of the mean log ratio of seconds over the common seeds.

    Args:
        baseline, method: seconds by seed; a seed is a block in which both ran.
    Returns:
        `std` is that of the log ratios; the interval is for the ratio.
    """
    seeds = sorted(baseline.keys() & method.keys())
    timed = [seed for seed in seeds if min(baseline[seed], method[seed]) > 0]
    logs = summarise([float(np.log(baseline[seed] / method[seed])) for seed in timed])
    return Summary(float(np.exp(logs.mean)), logs.std, logs.count, float(np.exp(logs.low)), float(np.exp(logs.high)))


def require_comparable(first: Mapping[str, Any], second: Mapping[str, Any]) -> None:
    """Raise an error for a ratio of times measured under different conditions.

    Raises:
        UserError: naming what differs.
    """
    unlike = [name for name in first if first[name] != second.get(name)]
    if unlike:
        named = "; ".join(f"{name} is {first[name]!r} and {second.get(name)!r}" for name in unlike)
        raise UserError(f"times are not comparable: {named}")
