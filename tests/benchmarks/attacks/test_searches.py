"""A search by itself: what it asks, in which order, and what it makes of the answers."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.attacks.recipes import BERT_ATTACK_OFFICIAL, TEXTFOOLER
from benchmarks.attacks.searches import AskEncoder, AskVictim, GreedySearch
from benchmarks.data.examples import Example

EXAMPLE = Example("test-0", ("good film",), 0)


def search(resources, recipe=TEXTFOOLER):
    """A search over one column and two classes."""
    return GreedySearch(recipe, resources, columns=("text",), classes=2, seed=1).attack(EXAMPLE)


def answer(*right: float) -> np.ndarray:
    """Probabilities of the gold label, row by row."""
    return np.array([[each, 1 - each] for each in right], dtype=np.float32)


def test_a_misread_text_is_skipped_after_one_question(resources) -> None:
    steps = search(resources)
    assert next(steps) == AskVictim([("good film",)])
    with pytest.raises(StopIteration) as end:
        steps.send(answer(0.4))
    assert end.value.value.status == "skipped" and end.value.value.queries == 0


def test_words_are_ranked_tried_in_that_order_and_kept_while_they_help(resources) -> None:
    steps = search(resources)
    next(steps)
    assert steps.send(answer(0.9)).texts == [("film",), ("good ",)]  # as TextAttack leaves the space before a last word
    # Without "film" the label is less sure: it is tried first. The text is shorter than the encoder's window.
    assert steps.send(answer(0.8, 0.7)).texts == [("good movie",)]
    # "movie" does not help; of the others the surest loss is kept, and it succeeds.
    request = steps.send(answer(0.9))
    assert request.texts == [("fine film",), ("great film",)]
    assert steps.send(answer(0.6, 0.3)).texts == [("great film",)]  # asked again
    with pytest.raises(StopIteration) as end:
        steps.send(answer(0.3))
    outcome = end.value.value
    assert (outcome.status, outcome.perturbed, outcome.queries) == ("successful", ("great film",), 6)
    assert outcome.words_changed == 1 and outcome.similarity == 1


def test_among_candidates_that_succeed_the_most_similar_is_taken(resources) -> None:
    steps = search(resources, BERT_ATTACK_OFFICIAL)
    next(steps)
    steps.send(answer(0.9))
    request = steps.send(answer(0.5, 0.8))  # "good" first
    assert isinstance(request, AskEncoder) and request.texts == ["good film"] * 2
    assert sorted(request.others) == ["fine film", "great film"]
    scores = dict(zip(request.others, np.array([0.5, 0.9], dtype=np.float32), strict=True))
    request = steps.send(np.array([0.5, 0.9], dtype=np.float32))
    assert request.texts == [("fine film",), ("great film",)]
    best = max(scores, key=scores.get)
    assert steps.send(answer(0.1, 0.2)).texts == [(best,)]


def test_candidates_below_the_bound_are_never_asked_about(resources) -> None:
    steps = search(resources, BERT_ATTACK_OFFICIAL)
    next(steps)
    steps.send(answer(0.9))
    steps.send(answer(0.5, 0.8))
    request = steps.send(np.array([0.1, 0.19], dtype=np.float32))
    assert isinstance(request, AskEncoder) and request.others == ["good movie"]


def test_an_answer_of_nan_is_refused(resources) -> None:
    steps = search(resources)
    next(steps)
    with pytest.raises(ValueError, match="NaN or infinity"):
        steps.send(answer(float("nan")))
