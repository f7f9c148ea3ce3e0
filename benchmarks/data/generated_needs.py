"""Generated values for what batches may carry besides tokens, for checks and timings on random texts."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace

import torch

from baselines.batch import Batch
from baselines.needs import BalancedBatches, Need, ReplaceableTokens, Substitutes
from benchmarks.data.substitutes import SLOTS


def with_needs(
    batch: Batch, needs: Set[Need], *, vocabulary: int, first_word: int = 1, substitutes: int = SLOTS
) -> Batch:
    """Add to the batch what a defense's `needs` ask for, and nothing else; adversarial texts need no addition.

    Args:
        vocabulary: V, the number of tokens.
        first_word: tokens from this one on are words, which may replace each other.
        substitutes: S, slots of a word: its own and those of the words near it by number.
    """
    words = torch.arange(vocabulary) >= first_word
    others = None
    if Substitutes() in needs:
        near = batch.input_ids.unsqueeze(-1) ^ torch.arange(substitutes)  # (B, L, S); slot 0 is the token itself
        usable = (batch.input_ids.unsqueeze(-1) >= first_word) & (near >= first_word) & (near < vocabulary)
        others = torch.where(usable, near, batch.input_ids.unsqueeze(-1))
    rich = replace(batch, substitutes=others, replaceable=words if ReplaceableTokens() in needs else None)
    return _by_class(rich) if BalancedBatches() in needs else rich


def _by_class(batch: Batch) -> Batch:
    """Sort the batch by class; each class gets as many texts as the batch had."""
    order = batch.labels.argsort(stable=True)
    per_text = ("input_ids", "attention_mask", "labels", "token_type_ids", "substitutes")
    values = {name: getattr(batch, name) for name in per_text}
    return replace(batch, **{name: value[order] for name, value in values.items() if value is not None})
