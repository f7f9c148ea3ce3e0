"""A function is a victim: checked, counted, asked once per text; every wrong answer is one clear sentence."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas
import pytest
import torch

from baselines.validation import UserCodeError, UserError
from benchmarks.victims.external import PATIENCE, CallableVictim, load_callable

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


class OwnError(BaseException):
    """No exception of the usual kind."""


def fails_otherwise(texts: list[str]) -> None:
    raise OwnError("film")


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (fails, "the callable f fails on a list of 2 texts: KeyError: 'film'"),
        (lambda texts: [[0.5, 0.5]], r"must be probabilities of shape \(2, 2\), a row per text, got \(1, 2\)"),
        (lambda texts: [0.5] * len(texts), r"of shape \(2, 2\), a row per text, got \(2,\)"),
        (lambda texts: [[float("nan"), 1.0]] * len(texts), r"must be finite, got \[nan\]"),
        (lambda texts: [[-2.0, 3.0]] * len(texts), r"probabilities of 0 or more, not logits, got -2\.0"),
        (lambda texts: [[0.7, 0.7]] * len(texts), r"rows that sum to 1, got 1\.4"),
        (lambda texts: ["positive"] * len(texts), "a row per text, got names of classes"),
        (lambda texts: {"probs": [[0.5, 0.5]] * len(texts)}, "got a dictionary of 'probs'"),
        (
            lambda texts: SimpleNamespace(logits=torch.zeros(len(texts), 2)),
            "got a SimpleNamespace with logits; return",
        ),
        (
            lambda texts: [{"label": "POSITIVE", "score": 0.9}] * len(texts),
            "labels and scores of a pipeline; ask it",
        ),
        (lambda texts: [[{"label": "A", "score": 0.9}, {"label": "B", "score": 0.1}]] * len(texts), "of a pipeline"),
        (lambda texts: [{"neg": 0.1, "pos": 0.9}] * len(texts), "got dictionaries; return for each text"),
        (lambda texts: pandas.DataFrame({"b": [0.1] * len(texts), "a": 0.9}), "got a DataFrame; return its values"),
        (lambda texts: None, "got nothing; the function has to return them"),
        (lambda texts: ([0.5, 0.5] for _ in texts), "got generator"),
        (lambda texts: np.full((len(texts), 2), 0.5 + 1j), "a row per text, got ndarray"),
        (lambda texts: pandas.Series([[0.5, 0.5]] * len(texts)), "a row per text, got Series"),
        (lambda texts: [object()] * len(texts), "probabilities, a row per text, got list"),
        (fails_otherwise, "fails on a list of 2 texts: OwnError: film"),
        (lambda texts: sys.exit(0), "fails on a list of 2 texts: SystemExit: 0"),
    ],
)
def test_what_is_no_probability_is_refused(function, sentence: str) -> None:
    with pytest.raises((UserError, UserCodeError), match=sentence) as refusal:
        CallableVictim(function, "f", 2)(TEXTS)
    assert "\n" not in str(refusal.value)


def test_a_function_that_draws_is_refused() -> None:
    draw = np.random.default_rng(0)

    def drawn(texts: list[str]) -> np.ndarray:
        return draw.dirichlet([1, 1], len(texts))

    with pytest.raises(ValueError, match=r"for the same texts must be the same, to 0.0001, got 'answers 0\.\d+ apart'"):
        CallableVictim(drawn, "f", 2).require_repeatable(TEXTS)
    CallableVictim(by_goodness, "f", 2).require_repeatable(TEXTS)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("rows", [torch.Tensor.requires_grad_, list, tuple])
def test_tensors_of_any_precision_are_read(dtype: torch.dtype, rows) -> None:
    answer = torch.tensor([[0.25, 0.75], [0.5, 0.5]], dtype=dtype)
    victim = CallableVictim(lambda texts: rows(answer), "f", 2)
    np.testing.assert_allclose(victim(TEXTS), [[0.25, 0.75], [0.5, 0.5], [0.25, 0.75]])


def sorts_and_forgets(texts: list[str]) -> list[list[float]]:
    return by_goodness(sorted(texts))


def compares_within_the_batch(texts: list[str]) -> list[list[float]]:
    scores = np.array([len(text) for text in texts], dtype=float)
    share = (scores - scores.min() + 1) / (scores.max() - scores.min() + 2)
    return np.stack([share, 1 - share], axis=1).tolist()


def alternates(texts: list[str]) -> list[list[float]]:
    return [[0.1, 0.9] if place % 2 else [0.9, 0.1] for place in range(len(texts))]


def knows_the_first(texts: list[str]) -> list[list[float]]:
    return [[0.5, 0.5] if place else [0.9, 0.1] for place in range(len(texts))]


@pytest.mark.parametrize("function", [sorts_and_forgets, compares_within_the_batch, alternates, knows_the_first])
def test_answers_that_depend_on_order_or_company_are_refused(function) -> None:
    with pytest.raises(UserError, match=r"returns for .* must be the same, to 0\.01, got 'answers 0\.\d+ apart'"):
        CallableVictim(function, "f", 2).require_repeatable([("a good long film",), ("a bad film",)])


def test_a_function_that_fails_for_a_while_is_asked_again_after_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    calls = iter([None, None, by_goodness, None, None, None, None, by_goodness])

    def flaky(texts: list[str]) -> list[list[float]]:
        if (answer := next(calls)) is None:
            raise RuntimeError("429 Too Many Requests")
        return answer(texts)

    victim = CallableVictim(flaky, "f", 2, retries=3)
    assert victim(TEXTS).shape == (3, 2) and pauses == [1.0, 2.0]
    with pytest.raises(UserCodeError, match="RuntimeError: 429 Too Many Requests"):
        victim([("another",)])
    assert pauses == [1.0, 2.0, 1.0, 2.0, 4.0] and victim([("another",)]).shape == (1, 2)


def test_a_function_that_stays_away_is_no_longer_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    victim = CallableVictim(fails, "f", 2, retries=1)
    for number in range(20):
        with pytest.raises(UserCodeError):
            victim([(str(number),)])
    assert pauses == [1.0] * PATIENCE


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
