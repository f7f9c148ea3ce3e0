"""Run work in processes of this machine: a new one for each training, and some that attack one model after another."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType

import torch

from benchmarks.clock.machine import usable_cores
from benchmarks.executors.executor import POLL_SECONDS, Done, Elsewhere, Event, Executor, Progress
from benchmarks.executors.fresh_process import answered, ended_without_answer, start_process, unwrapped
from benchmarks.jobs.context import Context, RunSpec
from benchmarks.jobs.interruption import end_with_parent
from benchmarks.jobs.job import Job, TrainJob
from benchmarks.jobs.run import run


@dataclass
class _Worker:
    """A process at a place, and its current job."""

    place: str
    process: BaseProcess
    connection: Connection
    job: Job

    def give(self, job: Job) -> None:
        self.job = job
        with suppress(OSError):  # if the process has ended, the next check notices it
            self.connection.send(job)

    def end(self) -> None:
        """Close the connection and wait for the end of the process, which is idle or was told to end."""
        self.connection.close()
        self.process.join()


class LocalExecutor(Executor):
    """Runs as many processes at once as there are places: one per GPU, or one per CPU core.

    On a CPU trainings run one at a time, so that their times count, unless timing is off.

    Args:
        context: the context of the run; its options say how many places there are.
        attacks_each: number of attacks that share one GPU, since a single attack keeps a GPU busy for a small part of
            the time. A training has a GPU of its own.
    """

    def __init__(self, context: Context, attacks_each: int = 1):
        self._spec = context.for_other_processes()
        workers = context.options.workers
        self._on_gpu = context.device == "cuda"
        if self._on_gpu:
            gpus = visible_gpus()[: workers or 1]
            self._gpus = {gpu if turn == 0 else f"{gpu}, {turn}": gpu for turn in range(attacks_each) for gpu in gpus}
            self._places = list(self._gpus)
            self._for_training = gpus
        else:
            self._places = [f"core {number}" for number in range(workers or usable_cores())]
            self._for_training = self._places
        side_by_side = self._on_gpu or context.options.untimed
        self._most_trainings = len(self._for_training) if side_by_side else 1
        self._queue: list[Job] = []
        self._elsewhere = Elsewhere(context.store)
        self._busy: dict[str, _Worker] = {}
        self._idle: dict[str, _Worker] = {}

    def __enter__(self) -> LocalExecutor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        for worker in self._busy.values():
            worker.process.terminate()  # a training leaves a checkpoint; an attack's outcomes are stored
        for worker in (*self._busy.values(), *self._idle.values()):
            worker.end()

    def describe(self) -> str:
        """The workers, for the screen."""
        beside = len(self._places) > len(self._for_training)
        place = f"GPU{', side by side' if beside else ''}" if self._on_gpu else "core"
        note = "; times do not count" if self._spec.options.untimed else ""
        return (
            f"executor local: {self._most_trainings} trainings at a time, {len(self._places)} attacks, each on one "
            f"{place}{note}"
        )

    def submit(self, job: Job) -> None:
        """Queue a job, and start as many queued jobs as there is room for."""
        self._queue.append(job)
        self._start()

    def events(self) -> Iterator[Event]:
        """Yield the messages of the processes."""
        heard = {worker.connection: worker for worker in self._busy.values()}
        for connection in wait(list(heard), timeout=POLL_SECONDS):
            yield self._heard_from(heard[connection])  # type: ignore[index]
        self._start()

    def _heard_from(self, worker: _Worker) -> Event:
        try:
            message = worker.connection.recv()
        except (EOFError, ConnectionResetError):
            worker.process.join()
            raise ended_without_answer(worker.job.label, worker.process.exitcode) from None
        job = worker.job
        if message[0] == "progress":
            return Progress(job.key, *message[1])
        unwrapped(message, job.label)
        del self._busy[worker.place]
        if isinstance(job, TrainJob):
            worker.end()
        else:
            self._idle[worker.place] = worker
        self._start()
        return Done(job.key)

    def _start(self) -> None:
        """Start queued jobs in their order while there is room; a job that another command is running waits for it."""
        for job in list(self._queue):
            if len(self._busy) == len(self._places):
                return
            if self._elsewhere.is_at(job):
                continue
            if (place := self._room_for(job)) is None:
                return
            self._queue.remove(job)
            worker = self._idle.pop(place, None)
            if isinstance(job, TrainJob) and worker is not None:
                worker.end()
                worker = None
            if worker is None:
                worker = self._new_worker(place, job)
            self._busy[place] = worker
            worker.give(job)

    def _room_for(self, job: Job) -> str | None:
        """A free place, or None; an attack prefers a place with an idle process, a training one without."""
        trainings = sum(worker.job.for_training for worker in self._busy.values())
        if job.for_training and trainings >= self._most_trainings:
            return None
        places = self._for_training if job.for_training else self._places
        free = [place for place in places if place not in self._busy]
        return min(free, key=lambda place: (place in self._idle) == isinstance(job, TrainJob), default=None)

    def _new_worker(self, place: str, job: Job) -> _Worker:
        ours, theirs = Pipe()
        gpu = self._gpus[place] if self._on_gpu else None
        process = start_process(_serve, (theirs, self._spec, gpu))
        theirs.close()
        return _Worker(place, process, ours, job)


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, by their names in CUDA_VISIBLE_DEVICES."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    return given.split(",") if given else [str(number) for number in range(torch.cuda.device_count())]


def _serve(connection: Connection, spec: RunSpec, gpu: str | None) -> None:
    """Main function of a new process: run the jobs that the parent sends, until it sends no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # its parent handles interrupts
    end_with_parent()
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    loaded: list[Context] = []

    def tell(amount: int = 1, *, queries: int = 0) -> None:
        connection.send(("progress", (amount, queries)))

    def do(job: Job) -> None:
        tell(0)
        if not loaded:
            loaded.append(spec.load())
        run(loaded[0], job, tell)

    try:
        while True:
            connection.send(answered(do, connection.recv()))
    except (EOFError, OSError, KeyboardInterrupt):
        sys.exit(1)  # the parent asked for this, or has ended
