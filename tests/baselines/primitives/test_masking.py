"""Masked words: one mask for each, whatever its pieces."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch

from baselines.batch import Batch
from baselines.primitives.masking import masked_batch


def two_texts() -> Batch:
    """[CLS], six words the second of which has three pieces, [SEP]; and [CLS], two words, [SEP], padding."""
    words = torch.tensor([[-1, 0, 1, 1, 1, 2, 3, 4, 5, -1], [-1, 0, 1, -1, -1, -1, -1, -1, -1, -1]])
    mask = torch.tensor([[1] * 10, [1] * 4 + [0] * 6])
    ids = (torch.arange(10) + 20).expand(2, 10) * mask
    return Batch(ids, mask, torch.tensor([0, 1]), mask * 0, words=words, mask_token=torch.tensor(3))


def test_a_masked_word_leaves_one_mask_whatever_its_pieces() -> None:
    torch.manual_seed(0)
    batch, seen = two_texts(), set()
    for _ in range(200):
        masked = masked_batch(batch, 0.5)
        first = masked.input_ids[0][masked.attention_mask[0] == 1].tolist()
        assert first.count(3) == 3 and first[0] == 20 and first[-1] == 29
        assert len(first) == (8 if 22 not in first else 10), "its other pieces are gone"
        assert (23 in first) == (24 in first) == (22 in first)
        assert torch.equal(masked.input_ids[1], batch.input_ids[1]), "two words are always kept"
        seen.add(tuple(place for place in (21, 22, 25, 26, 27, 28) if place not in first))
    assert seen == set(combinations((21, 22, 25, 26, 27, 28), 3)), "every choice of words is drawn"
    assert masked.input_ids.shape == batch.input_ids.shape and (masked.labels == batch.labels).all()


def test_a_batch_without_words_is_refused(batch) -> None:
    with pytest.raises(ValueError, match=r"put Words\(\) in its needs"):
        masked_batch(batch(), 0.3)


def test_at_a_rate_of_0_no_word_is_masked() -> None:
    batch = two_texts()
    masked = masked_batch(batch, 0.0)
    assert torch.equal(masked.input_ids, batch.input_ids) and torch.equal(masked.attention_mask, batch.attention_mask)
