"""Each question is computed once while it is among the latest."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.victims.cached_answers import CachedAnswers


@pytest.mark.parametrize("most", [1, 2, 3, 100])
def test_answers_are_those_computed_in_order_and_repeats_are_computed_once(most: int) -> None:
    asked: list[int] = []

    def compute(questions):
        asked.extend(questions)
        return np.array([[each, each * each] for each in questions])

    cache: CachedAnswers[int] = CachedAnswers(most)
    assert cache.of([3, 1, 3], compute).tolist() == [[3, 9], [1, 1], [3, 9]]
    assert asked == [3, 1]
    assert cache.of([1], compute).tolist() == [[1, 1]]
    assert asked == [3, 1], "it is among the latest"
    assert len(cache._known) <= most
    cache.clear()
    cache.of([1], compute)
    assert asked == [3, 1, 1]


def test_what_was_asked_for_last_is_kept_longest() -> None:
    cache: CachedAnswers[str] = CachedAnswers(2)
    for question in ("a", "b", "a", "c"):
        cache.of([question], lambda new: np.zeros((len(new), 1)))
    assert list(cache._known) == ["a", "c"]
