"""The answers of a victim."""

from __future__ import annotations

import numpy as np

from benchmarks.victims.answers import Answers


def test_without_a_guard_the_most_likely_class_is_given() -> None:
    shown = np.array([[0.2, 0.8], [0.6, 0.4]], dtype=np.float32)
    answers = Answers.of(shown)
    assert answers.shown is shown and answers.decided.tolist() == [1, 0]
