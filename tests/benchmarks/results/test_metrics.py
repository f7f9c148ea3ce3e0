"""The definitions of Clean%, Aua%, ASR%, #Query and the rest."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.results.metrics import (
    agreement_percent,
    asr_percent,
    aua_percent,
    aua_percent_over_log_budget,
    budget_aua_percents,
    class_aua_percents,
    clean_percent,
    mean_gradient_passes,
    mean_queries,
    mean_similarity,
    modification_percent,
    strict_aua_percent,
    tally,
    too_many_broke,
    worst_aua_percent,
)
from benchmarks.results.records import Outcome

STATUSES = ("skipped", "failed", "successful", "error")


def outcomes(statuses, queries=10) -> list[Outcome]:
    """An outcome for each status."""
    return [
        Outcome(f"test-{row}", status, queries + row, 0, ("a",), ("a",), 1, 0) for row, status in enumerate(statuses)
    ]


def test_by_hand() -> None:
    drawn = outcomes(["skipped", "failed", "successful", "successful", "failed"])
    assert clean_percent(drawn) == 80
    assert aua_percent(drawn) == 40
    assert asr_percent(drawn) == 50
    assert mean_queries(drawn) == (11 + 12 + 13 + 14) / 4
    assert tally(drawn, "successful") == {"attacked": 5, "added": 2, "broken": 0, "queries": 60}
    assert tally([*drawn, *outcomes(["error"])], "all")["added"] == 5


@given(st.lists(st.sampled_from(STATUSES[:3]), min_size=1))
def test_the_rates_hang_together(statuses) -> None:
    drawn = outcomes(statuses)
    clean, aua = clean_percent(drawn), aua_percent(drawn)
    assert aua <= clean
    succeeded = 100 * statuses.count("successful") / len(statuses)
    assert aua + succeeded == pytest.approx(clean, abs=1e-9)  # a sum of two quotients
    if clean:
        assert asr_percent(drawn) == pytest.approx(100 * (clean - aua) / clean, abs=1e-9)  # the same


def test_a_constant_attack_leaves_aua_at_clean() -> None:
    drawn = outcomes(["failed", "skipped", "failed"])
    assert aua_percent(drawn) == clean_percent(drawn)
    assert asr_percent(drawn) == 0


def test_a_breakdown_never_helps_a_defense() -> None:
    whole, broken = outcomes(["failed", "failed"]), outcomes(["failed", "error"])
    assert aua_percent(broken) == 50 < aua_percent(whole)
    assert clean_percent(broken) == 50 < clean_percent(whole)
    assert mean_queries(broken) == 10


def test_nothing_attacked_is_not_a_number() -> None:
    assert math.isnan(clean_percent([])) and math.isnan(aua_percent([]))
    skipped = outcomes(["skipped"])
    assert clean_percent(skipped) == aua_percent(skipped) == 0
    assert math.isnan(asr_percent(skipped)) and math.isnan(mean_queries(skipped))


def test_the_worst_case_is_what_survives_every_attack() -> None:
    first, second = outcomes(["failed", "failed", "skipped"]), outcomes(["failed", "successful", "skipped"])
    assert worst_aua_percent([first]) == aua_percent(first)
    assert worst_aua_percent([first, second]) == pytest.approx(100 / 3, abs=1e-9)
    assert math.isnan(worst_aua_percent([]))


def test_the_worst_case_needs_the_same_texts() -> None:
    with pytest.raises(ValueError, match="same texts"):
        worst_aua_percent([outcomes(["failed"]), outcomes(["failed", "failed"])])


def test_changes_and_similarity_are_those_of_successes() -> None:
    failed, one, two = outcomes(["failed", "successful", "successful"])
    drawn = [
        replace(failed, words=10, words_changed=9, similarity=0.1),
        replace(one, words=10, words_changed=1, similarity=0.9),
        replace(two, words=4, words_changed=2, similarity=None),
    ]
    assert modification_percent(drawn) == 30  # a mean of texts, not of words
    assert mean_similarity(drawn) == 0.9
    assert math.isnan(modification_percent(drawn[:1])) and math.isnan(mean_similarity(drawn[2:]))


@given(st.lists(st.tuples(st.sampled_from(STATUSES), st.integers(0, 3)), min_size=1))
def test_classes_weighted_by_their_texts_make_the_whole(drawn) -> None:
    labelled = [
        replace(each, label=label)
        for each, (_, label) in zip(outcomes([status for status, _ in drawn]), drawn, strict=True)
    ]
    shares = class_aua_percents(labelled)
    counts = {label: sum(other == label for _, other in drawn) for label in shares}
    whole = sum(shares[label] * counts[label] for label in shares) / len(drawn)
    assert whole == pytest.approx(aua_percent(labelled), abs=1e-9)  # a sum of quotients
    assert list(shares) == sorted({label for _, label in drawn})


def test_a_budget_spares_the_texts_that_took_more() -> None:
    drawn = outcomes(["successful", "successful", "failed", "skipped", "error"])  # queries 10, 11, 12
    assert budget_aua_percents(drawn, [0, 9, 10, 11, 12]) == [60, 60, 40, 20, 20]
    assert math.isnan(budget_aua_percents([], [1])[0])


@given(st.lists(st.tuples(st.sampled_from(STATUSES[:3]), st.integers(1, 50)), min_size=1))
def test_the_curve_falls_from_clean_to_aua(drawn) -> None:
    made = [
        replace(each, queries=queries)
        for each, (_, queries) in zip(outcomes([status for status, _ in drawn]), drawn, strict=True)
    ]
    curve = budget_aua_percents(made, range(51))
    assert curve[0] == clean_percent(made) and curve[-1] == aua_percent(made)
    assert curve == sorted(curve, reverse=True)


def test_the_area_is_the_mean_of_the_curve_over_the_logarithm() -> None:
    drawn = outcomes(["failed", "successful", "skipped", "error"])
    for spent, share in ((5, 0), (10, 0), (100, 0.5), (1000, 1), (5000, 1)):
        made = [drawn[0], replace(drawn[1], queries=spent), *drawn[2:]]
        assert aua_percent_over_log_budget(made, 10, 1000) == pytest.approx(25 + 25 * share)
    steps = [10 ** (1 + 2 * step / 20_000) for step in range(20_000)]
    made = outcomes(["failed", *["successful"] * 60], queries=9)
    expected = sum(budget_aua_percents(made, steps)) / len(steps)
    assert aua_percent_over_log_budget(made, 10, 1000) == pytest.approx(expected, abs=0.01)
    assert math.isnan(aua_percent_over_log_budget([], 10, 1000))


def test_a_success_that_is_not_strict_counts_as_withstood() -> None:
    one, two, three, four = outcomes(["successful", "successful", "failed", "skipped"])
    drawn = [
        replace(one, similarity=0.9, words=10, words_changed=1),
        replace(two, similarity=0.8, words=10, words_changed=3),
        replace(three, similarity=0.1, words=10, words_changed=9),
        four,
    ]
    assert strict_aua_percent(drawn) == aua_percent(drawn) == 25
    assert [strict_aua_percent(drawn, least_similarity=least) for least in (0.8, 0.85, 0.9, 0.95)] == [25, 50, 50, 75]
    assert [strict_aua_percent(drawn, most_changed=most) for most in (0.3, 0.2, 0.1, 0.05)] == [25, 50, 50, 75]
    assert strict_aua_percent(drawn, least_similarity=0.85, most_changed=0.05) == 75
    assert math.isnan(strict_aua_percent([replace(one, similarity=None)], least_similarity=0.5))
    assert math.isnan(strict_aua_percent([]))


def test_gradient_passes_are_over_attacked_texts() -> None:
    drawn = [
        replace(each, gradient_passes=30 * n) for n, each in enumerate(outcomes(["skipped", "failed", "successful"]))
    ]
    assert mean_gradient_passes(drawn) == 45
    assert math.isnan(mean_gradient_passes(outcomes(["failed"])))


def test_agreement_is_on_verdicts() -> None:
    first = outcomes(["failed", "successful", "skipped", "failed", "error"])
    second = outcomes(["failed", "skipped", "failed", "successful", "failed"])
    assert agreement_percent(first, first) == 100
    assert agreement_percent(first, second) == agreement_percent(second, first) == 50
    assert math.isnan(agreement_percent(outcomes(["error"]), outcomes(["failed"])))
    with pytest.raises(ValueError, match="same texts"):
        agreement_percent(first, second[:4])


@pytest.mark.parametrize(
    ("broken", "whole", "expected"), [(0, 0, False), (1, 100, False), (2, 100, True), (1, 60, True)]
)
def test_more_than_one_in_a_hundred_broken_is_too_many(broken: int, whole: int, expected: bool) -> None:
    assert too_many_broke(outcomes(["error"] * broken + ["failed"] * (whole - broken))) is expected
