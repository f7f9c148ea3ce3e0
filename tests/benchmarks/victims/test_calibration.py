"""Temperature scaling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.victims.calibration import HIGHEST, LOWEST, fit_temperature, negative_log_likelihood


def calibrated(texts: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels drawn from the very probabilities that the logits state."""
    random = np.random.default_rng(seed)
    logits = 2 * random.normal(size=(texts, classes))
    noise = random.gumbel(size=logits.shape)
    return logits, (logits + noise).argmax(axis=1)


@pytest.mark.parametrize("factor", [0.25, 1.0, 5.0])
@pytest.mark.parametrize("classes", [2, 4])
def test_a_scale_is_found_again(factor: float, classes: int) -> None:
    logits, labels = calibrated(20_000, classes)
    # 20,000 drawn labels fix the temperature to about a hundredth
    assert fit_temperature(factor * logits, labels) == pytest.approx(factor, rel=0.05)


def test_scaling_the_logits_scales_the_temperature() -> None:
    logits, labels = calibrated(200, 3)
    # twice the tolerance of the search
    assert fit_temperature(7 * logits, labels) == pytest.approx(7 * fit_temperature(logits, labels), rel=1e-4)


@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(2, 5), st.floats(-3, 3))
def test_the_likelihood_is_never_worse(seed: int, texts: int, classes: int, exponent: float) -> None:
    random = np.random.default_rng(seed)
    logits, labels = 10**exponent * random.normal(size=(texts, classes)), random.integers(0, classes, texts)
    temperature = fit_temperature(logits, labels)
    assert LOWEST <= temperature <= HIGHEST
    fitted = negative_log_likelihood(logits, labels, temperature)
    assert np.isfinite(fitted) and fitted <= negative_log_likelihood(logits, labels)


def test_all_right_and_all_wrong_end_at_a_bound() -> None:
    logits = np.array([[2.0, -1.0], [-1.0, 3.0]])
    assert fit_temperature(logits, np.array([0, 1])) < 0.1
    assert fit_temperature(logits, np.array([1, 0])) == pytest.approx(HIGHEST, rel=1e-3)  # the search stays inside


def test_the_likelihood_by_hand() -> None:
    logits = np.log([[0.75, 0.25], [0.5, 0.5]])
    expected = -(np.log(0.25) + np.log(0.5)) / 2
    assert negative_log_likelihood(logits, np.array([1, 0])) == pytest.approx(expected, abs=1e-12)  # rounding


@pytest.mark.parametrize(
    ("logits", "labels", "sentence"),
    [
        (np.zeros((0, 2)), np.zeros(0, int), "logits must be .N, C. with N of 1 or more"),
        (np.zeros((2, 2)), np.zeros(3, int), "labels must be 2 in number"),
        (np.zeros((2, 2)), np.zeros(2), "labels must be integers, got 'float64'"),
        (np.array([[0.0, np.nan]]), np.array([0]), "logits must be finite"),
        (np.zeros((2, 2)), np.array([0, 2]), r"labels must be in \[0, 2\), got \[2\]"),
    ],
)
def test_what_cannot_be_fitted_is_refused(logits, labels, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        fit_temperature(logits, labels)
