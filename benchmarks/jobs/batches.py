"""The batches that a cell is trained on: its tokens, and what its defense needs beyond them."""

from __future__ import annotations

from collections.abc import Sequence

from baselines.needs import BalancedBatches, ReplaceableTokens, Substitutes
from benchmarks.data.batches import BucketedBatches
from benchmarks.data.encoding import encode
from benchmarks.data.examples import Example
from benchmarks.data.substitutes import find_substitutes, replaceable_tokens
from benchmarks.experiments.experiment import Cell
from benchmarks.jobs.resolve import Setup, TaskSetup


def training_batches(setup: Setup, task: TaskSetup, seed: int) -> BucketedBatches:
    """The training batches of one seed: the same, in the same order, for every method that needs tokens alone."""
    cache = setup.store.root / "tokens"
    encoded = encode(setup.tokenizer, task.dataset.train, task.max_length, cache)
    return BucketedBatches(encoded, task.batch_size, seed, pinned=setup.device == "cuda")


def cell_batches(setup: Setup, cell: Cell, more: Sequence[Example] = ()) -> BucketedBatches:
    """The cell's batches with what its defense needs beyond tokens.

    Args:
        more: texts to train on besides the task's own.
    """
    task, needs = setup.tasks[cell.task], cell.defense.needs
    cache = setup.store.root / "tokens"
    examples = [*task.dataset.train, *more]
    substitutes = None
    if Substitutes() in needs:
        synonyms = task.resources.synonyms
        substitutes = find_substitutes(
            setup.tokenizer, examples, task.max_length, synonyms, task.resources.identity()["synonyms"], cache
        )
    return BucketedBatches(
        encode(setup.tokenizer, examples, task.max_length, cache),
        task.batch_size,
        cell.seed,
        substitutes=substitutes,
        replaceable=replaceable_tokens(setup.tokenizer) if ReplaceableTokens() in needs else None,
        balanced=BalancedBatches() in needs,
        pinned=setup.device == "cuda",
    )
