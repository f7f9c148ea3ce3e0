"""Generated values for what batches may carry besides tokens, for checks and timings on random texts."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace

import torch

from baselines.batch import Batch
from baselines.needs import (
    BalancedBatches,
    HeldOut,
    Identity,
    Need,
    ReplaceableTokens,
    Substitutes,
    SynonymSets,
    Words,
)
from baselines.synonym_sets import SynonymSets as SetsOfTokens
from benchmarks.data.substitutes import SLOTS

MASK = 3  # among the tokens below the first word


def with_needs(
    batch: Batch,
    needs: Set[Need],
    *,
    vocabulary: int,
    first_word: int = 1,
    substitutes: int = SLOTS,
    number: int = 0,
    batches: int = 1,
) -> Batch:
    """Add to the batch what a defense's `needs` ask for, and nothing else; adversarial texts need no addition.

    Args:
        vocabulary: V, the number of tokens.
        first_word: tokens from this one on are words, which may replace each other.
        substitutes: S, slots of a word: its own and those of the words near it by number.
        number, batches: which batch this is, from 0, of how many of this shape.
    """
    words = torch.arange(vocabulary) >= first_word
    others = None
    if Substitutes() in needs:
        near = batch.input_ids.unsqueeze(-1) ^ torch.arange(substitutes)  # (B, L, S); slot 0 is the token itself
        usable = (batch.input_ids.unsqueeze(-1) >= first_word) & (near >= first_word) & (near < vocabulary)
        others = torch.where(usable, near, batch.input_ids.unsqueeze(-1))
    rich = replace(batch, substitutes=others, replaceable=words if ReplaceableTokens() in needs else None)
    if any(isinstance(need, HeldOut) for need in needs):
        rich = replace(rich, held_out=_twice(batch))
    if Identity() in needs:
        tokens = batch.input_ids.numel()
        places = torch.arange(tokens).view_as(batch.input_ids) + number * tokens
        padded = places.masked_fill(batch.attention_mask == 0, batches * tokens)
        rich = replace(rich, places=padded, training_tokens=batches * tokens)
    if Words() in needs:
        rich = replace(rich, **_words(batch))
    if any(isinstance(need, SynonymSets) for need in needs):
        rich = replace(rich, synonym_sets=_sets(vocabulary, first_word, substitutes))
    return _by_class(rich) if BalancedBatches() in needs else rich


def _twice(batch: Batch) -> Batch:
    """The batch's texts, in reverse order, each two times."""
    tensors = {name: value for name, value in vars(batch).items() if isinstance(value, torch.Tensor)}
    return replace(batch, **{name: value.flip(0).repeat_interleave(2, 0) for name, value in tensors.items()})


def _words(batch: Batch) -> dict[str, torch.Tensor]:
    """Every token but the first is a word of its own; the mask is `MASK`."""
    places = torch.arange(batch.input_ids.shape[1]).expand_as(batch.input_ids)
    return {"words": (places - 1).masked_fill(batch.attention_mask == 0, -1), "mask_token": torch.tensor(MASK)}


def _sets(vocabulary: int, first_word: int, size: int) -> SetsOfTokens:
    """Words in sets of this size, by number; those left over stand for themselves."""
    sets = torch.arange(first_word, first_word + (vocabulary - first_word) // size * size).view(-1, size)
    rows = torch.full((vocabulary,), -1)
    rows[sets.flatten()] = torch.arange(sets.numel())
    each = sets.repeat_interleave(size, dim=0)
    return SetsOfTokens(rows, each, torch.full((len(each),), size), each.clone(), torch.ones(len(each)))


def _by_class(batch: Batch) -> Batch:
    """Sort the batch by class; each class gets as many texts as the batch had."""
    order = batch.labels.argsort(stable=True)
    per_text = ("input_ids", "attention_mask", "labels", "token_type_ids", "substitutes", "places", "words")
    values = {name: getattr(batch, name) for name in per_text}
    return replace(batch, **{name: value[order] for name, value in values.items() if value is not None})
