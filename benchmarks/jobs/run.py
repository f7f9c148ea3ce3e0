"""Do one job, in the process that planned it or in another."""

from __future__ import annotations

from benchmarks.jobs.attack import OnProgress, attack
from benchmarks.jobs.context import Context
from benchmarks.jobs.job import Job, TrainJob
from benchmarks.jobs.resolve import require_unchanged
from benchmarks.jobs.train import train


def run(context: Context, job: Job, tell: OnProgress) -> None:
    """Train or attack, and store the record; `tell` is called at each update, outcome and batch of queries.

    Raises:
        MachineError: if data, backbone or code in this process differ from those that the job was planned with.
    """
    require_unchanged(context, job)
    if isinstance(job, TrainJob):
        train(context, job, on_update=lambda stage, progress: tell())
    else:
        attack(context, job, on_progress=tell)
