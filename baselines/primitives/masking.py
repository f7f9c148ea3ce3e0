"""Random masking of words: one mask token takes the place of a word, whatever its number of pieces."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from baselines.batch import Batch
from baselines.validation import UserError

LEAST_KEPT = 2  # words that are never masked


def words_to_mask(words: Tensor, rate: float) -> Tensor:
    """How many of so many words are masked: the rounded share, but at least `LEAST_KEPT` words are kept.

    Args:
        words: int64, any shape.
    """
    masked = (words.double() * rate).round().long()
    return torch.minimum(masked, (words - LEAST_KEPT).clamp(min=0))


def masked_batch(batch: Batch, rate: float) -> Batch:
    """The batch with words masked at random, drawn apart for each text.

    The width stays; the places of a masked word's other pieces become padding. Nothing is read from the device.

    Raises:
        UserError: for a batch without words.
    """
    if batch.words is None or batch.mask_token is None:
        raise UserError("this defense needs batches with words, got one without; put Words() in its needs")
    words = batch.words
    count = words.max(1).values + 1  # (B,)
    most = words.shape[1]
    order = torch.rand(words.shape, device=words.device)
    order = order.masked_fill(torch.arange(most, device=words.device) >= count[:, None], 2.0).argsort(1)
    rank = torch.empty_like(order).scatter_(1, order, torch.arange(most, device=words.device).expand_as(order))
    is_masked = rank < words_to_mask(count, rate)[:, None]  # (B, W), by the word's number
    masked = is_masked.gather(1, words.clamp(min=0)) & (words >= 0)  # (B, L)
    first = torch.ones_like(masked)
    first[:, 1:] = words[:, 1:] != words[:, :-1]
    ids = torch.where(masked & first, batch.mask_token, batch.input_ids)
    gone = masked & ~first
    kept_first = gone.long().argsort(dim=1, stable=True)
    mask = (batch.attention_mask * ~gone).gather(1, kept_first)
    types = batch.token_type_ids
    return replace(
        batch,
        input_ids=ids.gather(1, kept_first) * mask,
        attention_mask=mask,
        token_type_ids=None if types is None else types.gather(1, kept_first) * mask,
        is_full=False,
    )
