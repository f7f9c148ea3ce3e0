"""The batches of a training: its tokens, and what its defense needs beyond them."""

from __future__ import annotations

from collections.abc import Sequence

from baselines.needs import BalancedBatches, ReplaceableTokens, Substitutes
from benchmarks.data.batches import BucketedBatches
from benchmarks.data.encoding import encode
from benchmarks.data.examples import Example
from benchmarks.data.substitutes import find_substitutes, replaceable_tokens
from benchmarks.jobs.context import Context, LoadedTask
from benchmarks.jobs.job import TrainJob


def training_batches(context: Context, task: LoadedTask, seed: int) -> BucketedBatches:
    """The training batches of one seed: the same, in the same order, for every method that needs tokens alone."""
    cache = context.store.root / "tokens"
    encoded = encode(context.tokenizer, task.dataset.train, task.max_length, cache)
    return BucketedBatches(encoded, task.batch_size, seed, pinned=context.device == "cuda")


def job_batches(context: Context, job: TrainJob, more: Sequence[Example] = ()) -> BucketedBatches:
    """A training's batches with what its defense needs beyond tokens.

    Args:
        more: training texts besides the task's own.
    """
    task, needs = context.tasks[job.task], job.defense.needs
    cache = context.store.root / "tokens"
    examples = [*task.dataset.train, *more]
    substitutes = None
    if Substitutes() in needs:
        synonyms = task.resources.synonyms
        substitutes = find_substitutes(
            context.tokenizer, examples, task.max_length, synonyms, task.resources.identity()["synonyms"], cache
        )
    return BucketedBatches(
        encode(context.tokenizer, examples, task.max_length, cache),
        task.batch_size,
        job.seed,
        substitutes=substitutes,
        replaceable=replaceable_tokens(context.tokenizer) if ReplaceableTokens() in needs else None,
        balanced=BalancedBatches() in needs,
        pinned=context.device == "cuda",
    )
