"""RanMASK: masked batches, its guard, and its certificate against brute force."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest
import torch

from baselines.fine_tune import FineTune
from baselines.guard import Question, Row
from baselines.primitives.masking import words_to_mask
from baselines.ran_mask import Masking, RanMASK, most_words

TEXT = ("one two three four five six seven eight nine ten",)


class Reader:
    """Words as rows, a row's ids being hashes of its words."""

    mask_token, mask_id, special_ids = "[MASK]", 3, frozenset({2, 3})

    def rows(self, texts):
        return [Row(tuple(3 if word == "[MASK]" else hash(word) for word in text[-1].split()), ()) for text in texts]


def test_without_masks_it_is_fine_tuning(bert, rich_batch) -> None:
    losses, gradients = [], []
    for defense in (FineTune(), RanMASK().changed(rate=0.0)):
        model = bert(dropout=0.0)
        losses.append(defense.step(model, rich_batch()))
        gradients.append(model.get_input_embeddings().weight.grad)
    assert torch.equal(*losses) and torch.equal(*gradients)


def test_a_copy_masks_the_rounded_share_and_differs_from_copy_to_copy() -> None:
    guard, question = Masking(rate=0.3, ensemble=50), Question(TEXT, np.random.default_rng(0))
    rows = guard.copies(question, None, None, Reader())
    assert len(rows) == 50 and all(row.ids.count(3) == 3 for row in rows) and len(set(rows)) > 30
    short = guard.copies(Question(("two words",), np.random.default_rng(0)), 4, None, Reader())
    assert set(short) == set(Reader().rows([("two words",)])) and len(short) == 4
    masked = [guard.masked(words) for words in range(6)]
    assert masked == words_to_mask(torch.arange(6), 0.3).tolist() == [0, 0, 0, 1, 1, 2]


def test_votes_and_means_are_two_channels() -> None:
    logits = np.array([[1.0, 0.0], [1.0, 0.9], [0.0, 30.0]])
    by_votes, by_mean = (Masking(decides=channel).combine(logits) for channel in ("votes", "mean"))
    assert by_votes.decided == 0 and by_votes.votes.tolist() == pytest.approx([2 / 3, 1 / 3])
    assert by_mean.decided == 0, "each copy weighs the same: the last one's long logits do not outvote two"
    assert by_mean.scores == pytest.approx((logits / np.linalg.norm(logits, axis=1)[:, None]).mean(0))


def truly_stays(voter, kept: int, changed: int) -> bool:
    """Whether no replacement of `changed` of five words changes the majority of all masks, by trying all of them."""

    def share(words) -> float:
        return np.mean([voter[tuple(words[place] for place in places)] for places in combinations(range(5), kept)])

    original = (0,) * 5
    assert share(original) > 0.5
    for places in combinations(range(5), changed):
        for new in product((0, 1), repeat=changed):
            words = list(original)
            for place, word in zip(places, new, strict=True):
                words[place] = word
            if share(words) <= 0.5:
                return False
    return True


@pytest.mark.parametrize("kept", [1, 2, 3])
def test_the_certificate_holds_by_brute_force_and_the_first_radius_that_fails_does_not(kept) -> None:
    draw, refuted = np.random.default_rng(kept), 0
    for _ in range(60):
        # A voter that reads the kept words alone, 1 being a changed one; it is sure of the text without a change.
        voter = {words: int(draw.random() < 0.4) for words in product((0, 1), repeat=kept)} | {(0,) * kept: 1}
        radius = most_words(1.0, 1.0, 5, kept)
        assert all(truly_stays(voter, kept, r) for r in range(radius + 1))
        refuted += not truly_stays(voter, kept, radius + 1)
    assert refuted > 0, "the release reports a radius that is one too high"


def test_the_observed_share_as_bound_proves_nothing() -> None:
    # Of ten words one is kept. Seven of the ten copies vote for the class, each by its own word.
    assert most_words(0.7, 1.0, 10, 1) == 1
    assert most_words(0.7, 0.7, 10, 1) == 2
    assert not (7 - 2) / 10 > 0.5, "two changed words end the majority"


def test_nothing_is_certain_where_half_of_the_copies_vote_otherwise() -> None:
    guard = Masking()
    assert guard.radius(2500, 5000, 0.001, TEXT, None, Reader()) is None
    assert guard.radius(2550, 5000, 0.001, TEXT, None, Reader()) is None, "within the error of the draws"
    assert guard.radius(3000, 5000, 0.001, TEXT, None, Reader()) == 0
    released = replace(guard, beta="observed", reported="first_failing")
    assert released.radius(3000, 5000, 0.001, TEXT, None, Reader()) == 1
    assert replace(guard, rate=0.9).radius(5000, 5000, 0.001, TEXT, None, Reader()) == 2


def test_the_distance_counts_replaced_words_and_covers_nothing_else() -> None:
    guard = Masking()
    assert guard.distance(("a b c",), ("a x c",), None, Reader()) == 1
    assert guard.distance(("a b c",), ("a bb b c",), None, Reader()) is None
    assert guard.distance(("p", "a b"), ("q", "a b"), None, Reader()) is None
