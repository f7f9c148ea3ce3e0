"""SAFER: draws from sets, its guard, and its certificate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from baselines.fine_tune import FineTune
from baselines.guard import Question, Row
from baselines.safer import SAFER, SynonymCopies, sets_of
from baselines.synonym_sets import SynonymSets

# Tokens 10, 11, 12 are one set; 20 and 21 have sets that overlap by half.
SETS = SynonymSets(
    rows=torch.full((30,), -1).scatter(0, torch.tensor([10, 11, 12, 20, 21]), torch.arange(5)),
    sets=torch.tensor([[10, 11, 12], [10, 11, 12], [10, 11, 12], [20, 22, 20], [21, 22, 21]]),
    sizes=torch.tensor([3, 3, 3, 2, 2]),
    covered=torch.tensor([[10, 11, 12], [10, 11, 12], [10, 11, 12], [20, 21, 20], [21, 20, 21]]),
    overlaps=torch.tensor([1.0, 1.0, 1.0, 0.5, 0.5]),
)


class Reader:
    """Texts of numbers as rows."""

    mask_token, mask_id, special_ids = "[MASK]", 3, frozenset({2, 3})

    def rows(self, texts):
        return [Row(tuple(map(int, " ".join(text).split())), ()) for text in texts]


@pytest.fixture
def model(bert):
    found = bert()
    SynonymCopies().attach(found, vars(SETS))
    return found


def test_words_that_share_a_set_are_certain_by_the_votes_alone(model) -> None:
    guard = SynonymCopies()
    ask = lambda right, text: guard.radius(right, 1000, 0.001, (text,), model, Reader())  # noqa: E731
    assert ask(500, "10 5 12") is None and ask(540, "10 5 12") is None, "within the error of the draws"
    assert ask(600, "10 5 12") == 3, "all words may be replaced at once"
    assert ask(1000, "10 20 5") == 0, "0.99 - 1 + 0.5 does not pass 1/2"
    assert ask(1000, "5 5") == 2


def test_the_release_takes_the_observed_share_and_a_margin(model) -> None:
    guard = SynonymCopies(bound="released")
    ask = lambda right: guard.radius(right, 1000, 0.001, ("10 5 12",), model, Reader())  # noqa: E731
    assert ask(510) is None and ask(520) == 3
    assert SynonymCopies().radius(520, 1000, 0.001, ("10 5 12",), model, Reader()) is None


def test_the_words_with_the_smallest_overlaps_count(model) -> None:
    wide = replace(SETS, overlaps=torch.tensor([1.0, 1.0, 1.0, 0.9, 0.8]))
    SynonymCopies().attach(model, vars(wide))
    ask = lambda right, text: SynonymCopies().radius(right, 100000, 0.001, (text,), model, Reader())  # noqa: E731
    assert ask(75000, "20 21 10") == 1, "0.75 - 1 + 0.8 passes, and times 0.9 it does not"
    assert ask(80000, "20 21 10") == 3, "also all of them pass"


def test_a_change_is_covered_if_every_new_word_is_a_synonym(model) -> None:
    guard = SynonymCopies()
    ask = lambda new: guard.distance(("10 20 5",), (new,), model, Reader())  # noqa: E731
    assert [ask(new) for new in ("10 20 5", "12 20 5", "12 21 5")] == [0, 1, 2]
    assert [ask(new) for new in ("10 22 5", "10 20 6", "10 20")] == [None, None, None]


def test_copies_are_drawn_by_the_question_s_own_draws(model) -> None:
    guard = SynonymCopies(ensemble=40)
    first, again = (guard.copies(Question(("10 20 5",), np.random.default_rng(1)), None, model, Reader()) for _ in "ab")
    assert first == again and len(first) == 40 and len({row.ids for row in first}) == 6
    assert guard.certifying_copies == 5000 and replace(guard, rate=0.5).certifying_copies == 0


def test_without_draws_it_is_fine_tuning_and_the_sets_stay_with_the_model(bert, batch) -> None:
    losses = []
    for defense in (FineTune(), SAFER(drawn_training=False)):
        model, given = bert(dropout=0.0), replace(batch(), synonym_sets=SETS)
        stages = defense.stages(model)
        losses.append(next(stages).step(given))
        assert next(stages, None) is None
    assert torch.equal(*losses) and torch.equal(sets_of(model).sets, SETS.sets)


def test_what_is_missing_is_named(bert, batch) -> None:
    with pytest.raises(ValueError, match=r"put SynonymSets\(\) in its needs"):
        next(SAFER().stages(bert())).step(batch())
    with pytest.raises(ValueError, match=r"lacks its file guard\.safetensors"):
        sets_of(bert())
