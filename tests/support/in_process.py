"""An executor that does everything in this process, and all that a store holds but times."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from benchmarks.executors.executor import Done, Event, Executor, Progress
from benchmarks.jobs.context import Context
from benchmarks.jobs.job import Job
from benchmarks.jobs.run import run
from benchmarks.results.store import Store

TIMED = ("seconds", "started_at", "flags", "watch", "peak_memory_bytes")


def results(store: Store) -> list[object]:
    """All that a store holds, but what a clock or the machine says."""
    found: list[object] = []
    for record in (*store.trainings(), *store.attacks()):
        values = dataclasses.asdict(record)
        found.append({name: value for name, value in values.items() if name not in TIMED})
    for key in store.keys("attacks"):
        found.append(sorted(store.outcomes(key), key=lambda outcome: outcome.example_id))
    return found


class InProcess(Executor):
    """Does one job at each look, the first submitted first.

    Attributes:
        submitted, left_by: labels of all jobs in their order; the exception it was left by.
        fail: label of a job that raises.
    """

    def __init__(self, context: Context, fail: str | None = None):
        self.context, self.fail = context, fail
        self.queue: list[Job] = []
        self.submitted: list[str] = []
        self.done: list[str] = []
        self.left_by: type[BaseException] | None = None

    def __enter__(self) -> InProcess:
        return self

    def __exit__(self, kind, error, where) -> None:
        self.left_by = kind

    def describe(self) -> str:
        return "executor in process"

    def submit(self, job: Job) -> None:
        self.submitted.append(job.label)
        self.queue.append(job)

    def events(self) -> Iterator[Event]:
        job = self.queue.pop(0)
        if job.label == self.fail:
            raise RuntimeError(f"{job.label} failed")
        told: list[int] = []
        run(self.context, job, lambda amount=1, *, queries=0: told.append(amount))
        yield Progress(job.key, sum(told))
        self.done.append(job.label)
        yield Done(job.key)
