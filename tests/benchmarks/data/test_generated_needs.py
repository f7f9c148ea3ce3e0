"""A batch gets what it is asked for; words stay words of the vocabulary and other tokens have no substitutes."""

from __future__ import annotations

import pytest
import torch

from baselines.batch import Batch
from baselines.needs import BalancedBatches, HeldOut, Identity, ReplaceableTokens, Substitutes
from benchmarks.data.generated_needs import with_needs
from benchmarks.data.substitutes import SLOTS

IDS = torch.tensor([[1, 5, 98, 0], [3, 99, 20, 21]])
BATCH = Batch(IDS, (IDS > 0).long(), torch.tensor([1, 0]))


def test_nothing_is_added_unasked() -> None:
    assert with_needs(BATCH, frozenset(), vocabulary=100) == BATCH


@pytest.mark.parametrize("first_word", [1, 20])
def test_substitutes_are_words_of_the_vocabulary_with_the_token_first(first_word: int) -> None:
    found = with_needs(BATCH, {Substitutes()}, vocabulary=100, first_word=first_word).substitutes
    assert found.shape == (2, 4, SLOTS) and torch.equal(found[..., 0], IDS)
    words = first_word <= IDS
    assert (found[words] >= first_word).all() and (found < 100).all()
    assert torch.equal(found[~words], IDS[~words].unsqueeze(-1).expand(-1, SLOTS))
    assert (found[words] != IDS[words].unsqueeze(-1)).any(dim=1).all()


def test_replaceable_tokens_are_the_words() -> None:
    found = with_needs(BATCH, {ReplaceableTokens()}, vocabulary=100, first_word=20).replaceable
    assert found.nonzero().flatten().tolist() == list(range(20, 100))


def test_balanced_batches_hold_one_class_after_another() -> None:
    found = with_needs(BATCH, {BalancedBatches(), Substitutes()}, vocabulary=100)
    assert found.labels.tolist() == [0, 1] and torch.equal(found.input_ids, IDS[[1, 0]])
    assert torch.equal(found.substitutes[..., 0], found.input_ids) and found.token_type_ids is None


def test_places_of_all_batches_are_different_and_follow_their_texts() -> None:
    needs = {Identity(), BalancedBatches()}
    first, second = (with_needs(BATCH, needs, vocabulary=100, number=number, batches=2) for number in range(2))
    assert first.places.tolist() == [[4, 5, 6, 7], [0, 1, 2, 16]] and first.training_tokens == 16
    assert second.places.tolist() == [[12, 13, 14, 15], [8, 9, 10, 16]]


def test_there_are_twice_as_many_held_out_texts() -> None:
    found = with_needs(BATCH, {HeldOut(0.1)}, vocabulary=100).held_out
    assert found.labels.tolist() == [0, 0, 1, 1] and torch.equal(found.input_ids, IDS[[1, 1, 0, 0]])
