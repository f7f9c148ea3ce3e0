"""The victim of measurements: the first fine-tuned model of a preset on a task."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.experiments.experiment import FIRST_SEED, methods
from benchmarks.jobs.context import Context
from benchmarks.jobs.job import TrainJob
from benchmarks.jobs.resolve import train_job
from benchmarks.jobs.train import train


def first_fine_tuned(context: Context, task: str, say: Callable[[str], None]) -> TrainJob:
    """The training of the preset's first fine-tuned model on a task; it is done here if the store has none.

    Args:
        say: called with a line before the training.
    """
    (fine_tune,) = methods(["fine_tune"])
    job = train_job(context, task, fine_tune.defense_for(context.preset, task, FIRST_SEED), FIRST_SEED)
    if job.record(context.store) is None:
        say(f"{task}: training the victim")
        train(context, job)
    return job
