"""The definitions of Clean%, Aua%, ASR% and #Query."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.results.metrics import asr_percent, aua_percent, clean_percent, mean_queries, worst_aua_percent
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
    assert clean_percent(broken) == clean_percent(whole) == 100
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
