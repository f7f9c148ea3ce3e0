"""Means, intervals and ratios, checked against statsmodels where it is installed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reports.statistics import refuse_unlike, summarise, time_ratio


def test_mean_spread_and_interval() -> None:
    found = summarise([90.0, 92.0, 94.0, math.nan])
    assert (found.mean, found.std, found.count) == (92, 2, 3)
    half = 4.302653 * 2 / math.sqrt(3)
    assert (found.low, found.high) == (pytest.approx(92 - half, abs=1e-5), pytest.approx(92 + half, abs=1e-5))


def test_an_independent_library_agrees() -> None:
    weightstats = pytest.importorskip("statsmodels.stats.weightstats")
    values = np.random.default_rng(0).normal(50, 5, 5)
    low, high = weightstats.DescrStatsW(values).tconfint_mean()
    found = summarise(list(values))
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_one_and_no_runs() -> None:
    one, none = summarise([5.0]), summarise([])
    assert one.mean == 5 and math.isnan(one.std) and math.isnan(one.low)
    assert math.isnan(none.mean) and none.count == 0


def test_time_ratios_are_paired_by_seed() -> None:
    baseline, method = {42: 10.0, 43: 40.0, 44: 7.0}, {42: 5.0, 43: 10.0}
    found = time_ratio(baseline, method)
    assert found.mean == pytest.approx(math.sqrt(2 * 4))
    assert found.count == 2
    assert found.low < found.mean < found.high
    assert time_ratio(method, baseline).mean == pytest.approx(1 / found.mean)


def test_unlike_footings_are_refused_by_name() -> None:
    refuse_unlike({"clock": "host"}, {"clock": "host"})
    with pytest.raises(ValueError, match="times are not comparable: clock is 'host' and 'cuda'"):
        refuse_unlike({"clock": "host", "device": "x"}, {"clock": "cuda", "device": "x"})
