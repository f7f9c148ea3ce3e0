"""A function is a victim: checked, counted, asked once per text; every wrong answer is one clear sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.victims.external import CallableVictim, load_callable

TEXTS = [("a good film",), ("a bad film",), ("a good film",)]


def by_goodness(texts: list[str]) -> list[list[float]]:
    return [[0.1, 0.9] if "good" in text else [0.8, 0.2] for text in texts]


def test_answers_are_probabilities_in_order_and_each_text_is_asked_once() -> None:
    asked: list[str] = []

    def function(texts: list[str]) -> list[list[float]]:
        asked.extend(texts)
        return by_goodness(texts)

    victim = CallableVictim(function, "f", 2)
    np.testing.assert_allclose(victim(TEXTS), [[0.1, 0.9], [0.8, 0.2], [0.1, 0.9]], rtol=1e-6)
    victim(TEXTS)
    assert asked == ["a good film", "a bad film"] and victim.queries == 6
    assert victim([]).shape == (0, 2) and victim(TEXTS).dtype == np.float32


def test_pairs_come_as_pairs() -> None:
    seen: list[object] = []
    CallableVictim(lambda pairs: seen.extend(pairs) or [[1, 0]], "f", 2)([("a question", "an answer")])
    assert seen == [("a question", "an answer")]


def test_a_temperature_divides_the_logits() -> None:
    (cold,), (warm,) = (CallableVictim(by_goodness, "f", 2, each)(TEXTS[:1]) for each in (1, 2))
    assert np.log(warm[1] / warm[0]) == pytest.approx(np.log(cold[1] / cold[0]) / 2, rel=1e-5)  # float32


def test_a_certain_answer_stays_finite_at_any_temperature() -> None:
    victim = CallableVictim(lambda texts: [[0.0, 1.0]] * len(texts), "f", 2, 5.0)
    assert np.isfinite(victim(TEXTS)).all() and victim(TEXTS)[0, 0] > 0


def fails(texts: list[str]) -> None:
    raise KeyError("film")


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (fails, "the callable f fails on a list of 2 texts: KeyError: 'film'"),
        (lambda texts: [[0.5, 0.5]], r"must be probabilities of shape \(2, 2\), a row per text, got \(1, 2\)"),
        (lambda texts: [0.5] * len(texts), r"of shape \(2, 2\), a row per text, got \(2,\)"),
        (lambda texts: [[float("nan"), 1.0]] * len(texts), r"must be finite, got \[nan\]"),
        (lambda texts: [[-2.0, 3.0]] * len(texts), r"probabilities of 0 or more, not logits, got .*-2\.0"),
        (lambda texts: [[0.7, 0.7]] * len(texts), r"rows that sum to 1, got 1\.4"),
        (lambda texts: ["positive"] * len(texts), "fails on a list of 2 texts: ValueError: could not convert"),
    ],
)
def test_what_is_no_probability_is_refused(function, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as refusal:
        CallableVictim(function, "f", 2)(TEXTS)
    assert "\n" not in str(refusal.value)


def test_a_function_that_draws_is_refused() -> None:
    draw = np.random.default_rng(0)

    def drawn(texts: list[str]) -> np.ndarray:
        return draw.dirichlet([1, 1], len(texts))

    with pytest.raises(ValueError, match=r"for the same texts must be the same, to 1e-4, got 'answers 0\.\d+ apart'"):
        CallableVictim(drawn, "f", 2).require_repeatable(TEXTS)
    CallableVictim(by_goodness, "f", 2).require_repeatable(TEXTS)


def test_a_function_is_found_in_its_file_and_recorded_by_hash(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("def predict(texts):\n    return [[1.0, 0.0]] * len(texts)\n")
    function, about = load_callable(f"{path}:predict")
    assert function(["a"]) == [[1.0, 0.0]]
    assert about["path"] == str(path) and about["function"] == "predict" and len(about["sha256"]) == 64


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("{}", "--callable must be written FILE.py:FUNCTION"),
        ("{}:", "--callable must be written FILE.py:FUNCTION"),
        ("{}:predikt", "did you mean 'predict'"),
        ("{}/absent.py:predict", "does not exist"),
    ],
)
def test_a_place_without_a_function_is_refused(tmp_path: Path, place: str, sentence: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text("def predict(texts):\n    return []\n")
    with pytest.raises(ValueError, match=sentence):
        load_callable(place.format(path))
