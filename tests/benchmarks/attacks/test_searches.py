"""A search by itself: what it asks, in which order, and what it makes of the answers."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.attacks.recipes import BERT_ATTACK_OFFICIAL, TEXTFOOLER
from benchmarks.attacks.searches import AskEncoder, AskVictim, GreedySearch
from benchmarks.data.examples import Example
from benchmarks.victims.answers import Answers

EXAMPLE = Example("test-0", ("good film",), 0)


def search(resources, recipe=TEXTFOOLER):
    """A search over one column and two classes."""
    return GreedySearch(recipe, resources, columns=("text",), classes=2, seed=1).attack(EXAMPLE)


def answer(*right: float) -> Answers:
    """Answers with these probabilities of the gold label, row by row."""
    return Answers.of(np.array([[each, 1 - each] for each in right], dtype=np.float32))


def test_a_misread_text_is_skipped_after_one_question(resources) -> None:
    steps = search(resources)
    assert next(steps) == AskVictim([("good film",)], "test-0", 0)
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


def logits(*margins: float, scale: float) -> Answers:
    """Logits of two classes with these margins of the other label over the gold label 0, times the scale."""
    return Answers.of(scale * np.array([[0.0, each] for each in margins]))


def test_a_search_by_margin_asks_the_same_and_is_blind_to_no_scale(resources) -> None:
    for scale in (1.0, 1000.0):
        steps = search(resources, TEXTFOOLER.searching("margin"))
        next(steps)
        assert steps.send(logits(-3.0, scale=scale)).texts == [("film",), ("good ",)]
        assert steps.send(logits(-2.0, -2.5, scale=scale)).texts == [("fine film",), ("great film",)]
        assert steps.send(logits(-1.0, -0.5, scale=scale)).texts == [("great movie",)]
        steps.send(logits(0.5, scale=scale))
        with pytest.raises(StopIteration) as end:
            steps.send(logits(0.5, scale=scale))
        assert end.value.value.perturbed == ("great movie",) and end.value.value.queries == 6


def test_a_wider_search_keeps_the_second_best_text(resources) -> None:
    """From "fine film", the worse text after the first word, the second word succeeds; the greedy search fails."""
    steps = search(resources, TEXTFOOLER.searching(width=2))
    next(steps)
    steps.send(answer(0.9))
    assert steps.send(answer(0.5, 0.8)).texts == [("fine film",), ("great film",)]
    assert steps.send(answer(0.8, 0.7)).texts == [("fine movie",), ("great movie",)]
    steps.send(answer(0.4, 0.75))
    with pytest.raises(StopIteration) as end:
        steps.send(answer(0.4))
    assert end.value.value.perturbed == ("fine movie",) and end.value.value.queries == 7


def test_restarts_try_other_orders_from_the_original_and_report_the_best_failure(resources) -> None:
    steps = search(resources, TEXTFOOLER.searching(restarts=2))
    next(steps)
    request, orders = steps.send(answer(0.9)), []
    right = {"good movie": 0.8, "great film": 0.7, "fine film": 0.95, "great movie": 0.6, "fine movie": 0.85}
    right |= {"good ": 0.6, "film": 0.5}
    with pytest.raises(StopIteration) as end:
        while True:
            orders.append(request.texts)
            request = steps.send(answer(*(right[text] for (text,) in request.texts)))
    assert len(orders) == 1 + 3 * 2 and end.value.value.queries == 3 + sum(map(len, orders[1:]))
    assert end.value.value.status == "failed" and end.value.value.perturbed == ("great movie",)


def test_the_shares_of_a_plateau_are_recorded(resources) -> None:
    steps = search(resources)
    next(steps)
    steps.send(answer(1.0))
    steps.send(answer(1.0, 1.0))
    steps.send(answer(1.0, 1.0))
    with pytest.raises(StopIteration) as end:
        steps.send(answer(1.0))
    outcome = end.value.value
    assert (outcome.equal_ranking_share, outcome.idle_step_share, outcome.is_starved) == (1, 1, True)
