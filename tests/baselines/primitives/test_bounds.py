"""Exact bounds on a probability."""

from __future__ import annotations

import pytest

from baselines.primitives.bounds import lower_bound, upper_bound


def test_bounds_are_those_of_clopper_and_pearson() -> None:
    assert lower_bound(0, 10, 0.05) == 0 and upper_bound(10, 10, 0.05) == 1
    assert lower_bound(10, 10, 0.05) == pytest.approx(0.05**0.1)
    assert lower_bound(7, 10, 0.05) == pytest.approx(0.3934, abs=1e-4)  # their table
    assert upper_bound(3, 10, 0.05) == pytest.approx(1 - lower_bound(7, 10, 0.05))
