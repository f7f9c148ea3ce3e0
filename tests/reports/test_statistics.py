"""Means, intervals and ratios, checked against statsmodels where it is installed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from reports.statistics import (
    Estimate,
    holm,
    mcnemar,
    over_runs,
    require_comparable,
    resampled_means,
    summarise,
    time_ratio,
    two_level,
    two_level_difference,
)


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


def outcomes(runs: int, texts: int, run_spread: float, seed: int) -> np.ndarray:
    """100 or 0 per run and text: runs differ, texts differ, and so do single attacks."""
    generator = np.random.default_rng(seed)
    ease = run_spread * generator.normal(size=(runs, 1)) + generator.normal(size=(1, texts))
    return 100.0 * (generator.normal(size=(runs, texts)) < ease)


def test_one_run_s_interval_is_that_of_an_independent_bootstrap() -> None:
    entries = outcomes(1, 300, 0, 0)
    found = two_level(entries)
    other = stats.bootstrap((entries[0],), np.mean, n_resamples=10_000, method="percentile", rng=1)
    assert (found.value, found.runs, found.texts) == (entries.mean(), 1, 300)
    # Two samples of 10,000 resamples: the standard error of a tail quantile is about 0.08 points here
    assert found.low == pytest.approx(other.confidence_interval.low, abs=0.5)
    assert found.high == pytest.approx(other.confidence_interval.high, abs=0.5)


def test_the_variance_of_resampled_means_is_that_of_both_levels() -> None:
    entries = outcomes(5, 200, 0.5, 3)
    drawn = resampled_means(entries, np.random.default_rng(0), 20_000)
    stretch = stats.t.ppf(0.975, 4) / stats.norm.ppf(0.975)
    runs = stretch**2 * entries.mean(axis=1).var(ddof=1) / 5
    texts = entries.mean(axis=0).var() / 200
    assert drawn.mean() == pytest.approx(entries.mean(), abs=4 * drawn.std() / math.sqrt(20_000))  # its standard error
    # 20,000 draws know a variance to about one percent
    assert drawn.var() == pytest.approx(runs + texts, rel=0.05)


def test_without_texts_to_vary_the_interval_is_about_that_of_the_run_means() -> None:
    runs = np.array([40.0, 44.0, 45.0, 47.0, 49.0])
    found, exact = two_level(np.repeat(runs[:, None], 50, axis=1)), summarise(list(runs))
    # The resampled mean of five runs is not quite normal
    assert found.high - found.low == pytest.approx(exact.high - exact.low, rel=0.1)


@pytest.mark.parametrize(("runs", "run_spread"), [(1, 0.0), (3, 0.5), (5, 0.0), (5, 0.5)])
def test_intervals_cover_the_truth_as_often_as_they_say(runs: int, run_spread: float) -> None:
    """The truth is 50 % by symmetry. 300 trials of 95 % lie within 0.95 ± 3 × 0.013; more is allowed: with little
    difference between runs the interval is wider than it need be."""
    covered = 0
    for seed in range(300):
        drawn = resampled_means(outcomes(runs, 150, run_spread, seed), np.random.default_rng(seed), 1000)
        low, high = np.quantile(drawn, (0.025, 0.975))
        covered += low <= 50 <= high
    assert covered / 300 >= 0.95 - 3 * 0.0126


def test_pairing_takes_out_what_texts_have_in_common() -> None:
    first = outcomes(5, 200, 0.0, 0)
    second = first.copy()
    second[:, :10] = 0
    paired, apart = two_level(first - second), two_level_difference(first, second)
    assert paired.value == pytest.approx(apart.value)
    assert paired.excludes(0) and not apart.excludes(0)
    assert (paired.runs, paired.texts) == (5, 200)


def test_an_apart_difference_has_the_variance_of_both_sides() -> None:
    first, second = outcomes(1, 400, 0, 1), outcomes(1, 100, 0, 2)
    found = two_level_difference(first, second)
    half = 1.96 * math.sqrt(first.var() / 400 + second.var() / 100)
    assert (found.runs, found.texts) == (1, 100)
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.05)  # 10,000 resamples


def test_equal_victims_differ_by_exactly_nothing_and_a_seed_gives_the_same_interval() -> None:
    entries = outcomes(3, 50, 0.5, 0)
    assert two_level(entries - entries) == Estimate(0.0, 0.0, 0.0, 3, 50)
    assert two_level(entries) == two_level(entries) != two_level(entries, seed=1)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0)])
def test_nothing_is_not_resampled(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"needs a run and a text, got {shape[0]} runs of {shape[1]} texts"):
        resampled_means(np.zeros(shape), np.random.default_rng(0))


def test_no_interval_excludes_nothing() -> None:
    assert not Estimate(5.0, math.nan, math.nan, 1).excludes(0)
    assert Estimate(5.0, 1.0, 9.0, 3).excludes(0) and Estimate(-5.0, -9.0, -1.0, 3).excludes(0)


def test_mcnemar_by_hand_and_by_an_independent_library() -> None:
    first = np.array([True] * 9 + [False] * 2 + [True] * 20 + [False] * 5)
    second = np.array([False] * 9 + [True] * 2 + [True] * 20 + [False] * 5)
    found = mcnemar(first, second)
    assert (found.only_first, found.only_second) == (9, 2)
    by_hand = 2 * sum(math.comb(11, k) for k in range(3)) / 2**11
    assert found.p_value == pytest.approx(by_hand)
    tables = pytest.importorskip("statsmodels.stats.contingency_tables")
    assert found.p_value == pytest.approx(tables.mcnemar([[20, 9], [2, 5]], exact=True).pvalue)


def test_victims_that_never_disagree_do_not_differ() -> None:
    same = np.array([True, False])
    assert mcnemar(same, same).p_value == 1


def test_time_ratios_are_paired_by_seed() -> None:
    baseline, method = {42: 10.0, 43: 40.0, 44: 7.0}, {42: 5.0, 43: 10.0}
    found = time_ratio(baseline, method)
    assert found.mean == pytest.approx(math.sqrt(2 * 4))
    assert found.count == 2
    assert found.low < found.mean < found.high
    assert time_ratio(method, baseline).mean == pytest.approx(1 / found.mean)
    assert time_ratio(baseline | {43: 0.0}, method).count == 1, "a run without a time is in no block"


def test_the_interval_of_a_time_ratio_is_an_independent_library_s_on_log_ratios() -> None:
    weightstats = pytest.importorskip("statsmodels.stats.weightstats")
    baseline, method = {1: 50.0, 2: 44.0, 3: 61.0, 4: 52.0}, {1: 10.0, 2: 11.0, 3: 12.5, 4: 9.0}
    logs = weightstats.DescrStatsW(np.log(list(baseline.values())) - np.log(list(method.values())))
    found = time_ratio(baseline, method)
    expected = np.exp([logs.mean, *logs.tconfint_mean()])
    assert [found.mean, found.low, found.high] == pytest.approx(expected), "equal to the last digits of a double"


def test_differing_conditions_are_refused_by_name() -> None:
    require_comparable({"clock": "host"}, {"clock": "host"})
    with pytest.raises(ValueError, match="times are not comparable: clock is 'host' and 'cuda'"):
        require_comparable({"clock": "host", "device": "x"}, {"clock": "cuda", "device": "x"})


def test_holm_rejects_what_statsmodels_rejects() -> None:
    multipletests = pytest.importorskip("statsmodels.stats.multitest").multipletests
    generator = np.random.default_rng(0)
    for count in (1, 2, 12):
        p_values = generator.uniform(0, 0.05, size=count)
        expected = multipletests(p_values, alpha=0.025, method="holm")[0]
        assert holm(list(p_values)) == expected.tolist()
    assert holm([]) == []


def test_the_share_above_a_bound_agrees_with_the_interval() -> None:
    entries = np.random.default_rng(1).normal(5, 20, size=(4, 100))
    ratios = time_ratio({1: 8.0, 2: 9.0, 3: 7.0}, {1: 1.0, 2: 1.1, 3: 1.2})
    for found in (two_level(entries), over_runs(summarise([1.0, 2.0, 4.0])), over_runs(ratios, logarithmic=True)):
        assert found.share_above(found.low) == pytest.approx(0.975, abs=0.001)
        assert found.share_above(found.high) == pytest.approx(0.025, abs=0.001)
        assert found.share_above(-math.inf if found.low < 0 else 1e-9) > 0.99
    alike = over_runs(summarise([2.0, 2.0]))
    assert (alike.share_above(2.0), alike.share_above(2.1)) == (1, 0)
    assert over_runs(summarise([2.0])).share_above is None
