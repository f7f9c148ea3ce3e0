"""The batches of a training: its tokens, and what else its defense needs."""

from __future__ import annotations

from collections.abc import Sequence, Set
from pathlib import Path

from transformers import PreTrainedTokenizerBase

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
from benchmarks.attacks.resources import Resources
from benchmarks.data import substitutes
from benchmarks.data.array_cache import Arrays, cached_arrays, texts_key
from benchmarks.data.batches import BucketedBatches
from benchmarks.data.encoding import Encoded, encode
from benchmarks.data.examples import Example
from benchmarks.data.synonym_sets import find_synonym_sets
from benchmarks.data.word_numbers import mask_token_of, word_numbers
from benchmarks.jobs.context import Context

NO_NEEDS: Set[Need] = frozenset()


def task_batches(
    context: Context, task: str, seed: int, needs: Set[Need] = NO_NEEDS, more: Sequence[Example] = ()
) -> BucketedBatches:
    """A task's training batches: the same, in the same order, for every method that needs only tokens.

    Args:
        needs: what the batches carry besides tokens.
        more: training texts besides the task's own.
    """
    loaded = context.tasks[task]
    return text_batches(
        context.tokenizer,
        [*loaded.dataset.train, *more],
        loaded.max_length,
        loaded.batch_size,
        seed,
        needs=needs,
        resources=loaded.resources,
        cache=context.store.root / "tokens",
        pinned=context.device == "cuda",
    )


def text_batches(
    tokenizer: PreTrainedTokenizerBase,
    examples: Sequence[Example],
    max_length: int,
    batch_size: int,
    seed: int,
    *,
    needs: Set[Need],
    resources: Resources,
    cache: Path | None = None,
    pinned: bool = False,
) -> BucketedBatches:
    """Texts as batches with what a defense needs besides tokens.

    Args:
        resources: the source of substitutes, if they are needed.
        cache: folder for token ids and substitutes; None to compute them each time.
    """
    replaced = Substitutes() in needs
    about = substitutes.identity(resources.identity()["synonyms"]) if replaced else {}
    numbered = Words() in needs
    sets = next((need for need in needs if isinstance(need, SynonymSets)), None)
    about |= {"words": True} if numbered else {}

    def make() -> Arrays:
        found = encode(tokenizer, examples, max_length).as_arrays()
        if replaced:
            found |= vars(substitutes.find_substitutes(tokenizer, examples, max_length, resources.synonyms))
        if numbered:
            found["words"] = word_numbers(tokenizer, examples, max_length)
        return found

    if cache is None:
        arrays = make()
    else:
        arrays = cached_arrays(cache / f"{texts_key(tokenizer, examples, max_length, about)}.safetensors", make)
    held_out = next((need.share for need in needs if isinstance(need, HeldOut)), None)
    return BucketedBatches(
        Encoded.of(arrays),
        batch_size,
        seed,
        substitutes=substitutes.Substitutes(arrays["rows"], arrays["table"]) if replaced else None,
        replaceable=substitutes.replaceable_tokens(tokenizer) if ReplaceableTokens() in needs else None,
        identified=Identity() in needs,
        held_out=held_out,
        words=arrays["words"] if numbered else None,
        mask_token=mask_token_of(tokenizer) if numbered else None,
        synonym_sets=None if sets is None else find_synonym_sets(tokenizer, resources.synonyms, sets),
        balanced=BalancedBatches() in needs,
        pinned=pinned,
    )
