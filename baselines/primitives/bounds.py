"""Exact bounds on a probability from a number of independent draws. Source: Clopper and Pearson, Biometrika 1934."""

from __future__ import annotations

from scipy.stats import beta


def lower_bound(hits: int, draws: int, level: float) -> float:
    """The one-sided lower bound on a probability; it is too high with a chance of at most `level`.

    Args:
        hits: how many of the `draws` hit.
    """
    return 0.0 if hits == 0 else float(beta.ppf(level, hits, draws - hits + 1))


def upper_bound(hits: int, draws: int, level: float) -> float:
    """The one-sided upper bound on a probability; it is too low with a chance of at most `level`."""
    return 1.0 if hits == draws else float(beta.ppf(1 - level, hits + 1, draws - hits))
