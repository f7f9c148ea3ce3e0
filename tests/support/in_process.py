"""An executor that does everything in this process, and all that a store holds but times."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from benchmarks.executors.executor import Done, Event, Executor, Progress
from benchmarks.jobs.resolve import Setup
from benchmarks.jobs.work import Item
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
    """Do one item at each look, the first submitted first.

    Attributes:
        submitted, left_by: labels of all items in their order; the exception it was left by.
        fail: label of an item that raises.
    """

    def __init__(self, setup: Setup, fail: str | None = None):
        self.setup, self.fail = setup, fail
        self.queue: list[Item] = []
        self.submitted: list[str] = []
        self.done: list[str] = []
        self.left_by: type[BaseException] | None = None

    def __enter__(self) -> InProcess:
        return self

    def __exit__(self, kind, error, where) -> None:
        self.left_by = kind

    def describe(self) -> str:
        return "executor in process"

    def submit(self, item: Item) -> None:
        self.submitted.append(item.label)
        self.queue.append(item)

    def events(self) -> Iterator[Event]:
        item = self.queue.pop(0)
        if item.label == self.fail:
            raise RuntimeError(f"{item.label} failed")
        told: list[int] = []
        item.do(self.setup, lambda: told.append(1))
        yield Progress(item.key, len(told))
        self.done.append(item.label)
        yield Done(item.key)
