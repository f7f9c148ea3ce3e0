"""The overhead of executors: the same few cells in one process, in two, and on Ray, with cells per minute."""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

from rich.console import Console

from benchmarks.executors.execute import execute, executor_for
from benchmarks.executors.executor import Event, Executor
from benchmarks.executors.progress import Reporter
from benchmarks.experiments.experiment import Experiment, methods
from benchmarks.experiments.options import Options
from benchmarks.jobs.job import Job
from benchmarks.jobs.resolve import resolve
from benchmarks.results.store import Store

WAYS = (("local", 1), ("local", 2), ("ray", 1), ("ray", 2))
RUNS = 4
EXPERIMENT = Experiment("executors", "Executors", "fine-tuning and attacks", "methods", methods(["fine_tune"]))


@dataclass(frozen=True)
class ExecutorTiming:
    """One executor with some workers.

    Attributes:
        executor, workers: the executor, and its number of workers.
        cells: trainings, each with its attacks.
        start_seconds: time until the first item could begin; on Ray including the check of every node.
        seconds: all time after that.
        equal: whether weights, answers and outcomes equal those of the first executor, bit for bit.
    """

    executor: str
    workers: int
    cells: int
    start_seconds: float
    seconds: float
    equal: bool


class _Clocked(Executor):
    """An executor that also measures how long it takes to start."""

    def __init__(self, executor: Executor):
        self.executor = executor
        self.start_seconds = 0.0

    def __enter__(self) -> Executor:
        began = time.perf_counter()
        self.executor.__enter__()
        self.start_seconds = time.perf_counter() - began
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.executor.__exit__(kind, error, where)

    def describe(self) -> str:
        return self.executor.describe()

    def submit(self, job: Job) -> None:
        self.executor.submit(job)

    def events(self) -> Iterator[Event]:
        return self.executor.events()


def time_executors(
    options: Options,
    *,
    ways: tuple[tuple[str, int], ...] = WAYS,
    say: Callable[[str], None] = lambda line: None,
) -> list[ExecutorTiming]:
    """Fine-tune and attack with a few seeds on each executor, on the CPU, one thread per worker, in temporary folders.

    Args:
        options: as for a run; `runs` seeds, by default four.
    Raises:
        MachineError: if Ray is not installed.
    """
    found: list[ExecutorTiming] = []
    first: dict[str, object] = {}
    for name, workers in ways:
        with tempfile.TemporaryDirectory(prefix="earlyrobust-bench-") as folder:
            changes = {"out": Path(folder), "executor": name, "workers": workers, "threads": options.threads or 1}
            asked = replace(options, device="cpu", untimed=True, runs=options.runs or RUNS, **changes)
            study = resolve(asked, EXPERIMENT)
            working = _Clocked(executor_for(study))
            began = time.perf_counter()
            execute(study, Reporter(Console(file=io.StringIO())), working)
            seconds = time.perf_counter() - began - working.start_seconds
            made = _contents(study.store)
            first = first or made
            timing = ExecutorTiming(name, workers, len(study.trainings), working.start_seconds, seconds, made == first)
        start = f"after a start of {timing.start_seconds:.1f} s"
        say(f"{name}, {workers} workers: {timing.cells} cells in {seconds:.1f} s {start}")
        found.append(timing)
    return found


def _contents(store: Store) -> dict[str, object]:
    """The trained weights and the outcomes of attacks, by key."""
    trained = {record.key: (record.weights_sha256, record.clean_correct) for record in store.trainings()}
    attacked = {
        key: sorted(store.outcomes(key), key=lambda outcome: outcome.example_id) for key in store.keys("attacks")
    }
    return trained | attacked
