"""Work in processes of this machine: a fresh one for each training, and some that attack one model after another."""

from __future__ import annotations

import os
import signal
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType

import torch

from benchmarks.clock.machine import usable_cores
from benchmarks.executors.executor import POLL_SECONDS, Done, Event, Executor, Progress
from benchmarks.executors.fresh_process import answered, ended_without_answer, start_process, unwrapped
from benchmarks.jobs.interruption import end_with_parent
from benchmarks.jobs.resolve import Setup
from benchmarks.jobs.work import Item, RunSpec, Training


@dataclass
class _Worker:
    """A process at a place, and the item it is at."""

    place: str
    process: BaseProcess
    connection: Connection
    item: Item

    def give(self, item: Item) -> None:
        self.item = item
        with suppress(OSError):  # where the process is gone, the next look hears of it
            self.connection.send(item)

    def end(self) -> None:
        """Let the process go, which waits for an item or has been told to end."""
        self.connection.close()
        self.process.join()


class LocalExecutor(Executor):
    """As many processes at once as there are places: on a GPU one for each GPU, on a CPU one for each core.

    On a CPU trainings go one at a time, so that their times count, unless timing was not asked for.

    Args:
        setup: the run's; its options say how many places there are.
        attacks_each: attacks at a time on one GPU, which an attack keeps busy for a small part of its time. Trainings
            have one place on each.
    """

    def __init__(self, setup: Setup, attacks_each: int = 1):
        self._run_spec = RunSpec.of(setup)
        workers = setup.options.workers
        self._on_gpu = setup.device == "cuda"
        if self._on_gpu:
            gpus = visible_gpus()[: workers or 1]
            self._gpus = {gpu if turn == 0 else f"{gpu}, {turn}": gpu for turn in range(attacks_each) for gpu in gpus}
            self._places = list(self._gpus)
            self._for_training = gpus
        else:
            self._places = [f"core {number}" for number in range(workers or usable_cores())]
            self._for_training = self._places
        side_by_side = self._on_gpu or setup.options.untimed
        self._most_trainings = len(self._for_training) if side_by_side else 1
        self._queue: deque[Item] = deque()
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
        """What it works with."""
        beside = len(self._places) > len(self._for_training)
        place = f"GPU{', side by side' if beside else ''}" if self._on_gpu else "core"
        note = "; times do not count" if self._run_spec.options.untimed else ""
        return (
            f"executor local: {self._most_trainings} trainings at a time, {len(self._places)} attacks, each on one "
            f"{place}{note}"
        )

    def submit(self, item: Item) -> None:
        """Queue an item and start what there is room for."""
        self._queue.append(item)
        self._start()

    def events(self) -> Iterator[Event]:
        """What the processes say."""
        heard = {worker.connection: worker for worker in self._busy.values()}
        for connection in wait(list(heard), timeout=POLL_SECONDS):
            yield self._heard_from(heard[connection])  # type: ignore[index]

    def _heard_from(self, worker: _Worker) -> Event:
        try:
            message = worker.connection.recv()
        except (EOFError, ConnectionResetError):
            worker.process.join()
            raise ended_without_answer(worker.item.label, worker.process.exitcode) from None
        item = worker.item
        if message[0] == "progress":
            return Progress(item.key, message[1])
        unwrapped(message, item.label)
        del self._busy[worker.place]
        if isinstance(item, Training):
            worker.end()
        else:
            self._idle[worker.place] = worker
        self._start()
        return Done(item.key)

    def _start(self) -> None:
        """Start queued items in their order while there is room."""
        while self._queue and (place := self._room_for(self._queue[0])) is not None:
            item = self._queue.popleft()
            worker = self._idle.pop(place, None)
            if isinstance(item, Training) and worker is not None:
                worker.end()
                worker = None
            if worker is None:
                worker = self._new_worker(place, item)
            self._busy[place] = worker
            worker.give(item)

    def _room_for(self, item: Item) -> str | None:
        """A free place; for an attack rather one where a process waits, for a training rather another."""
        trainings = sum(isinstance(worker.item, Training) for worker in self._busy.values())
        if isinstance(item, Training) and trainings >= self._most_trainings:
            return None
        places = self._for_training if isinstance(item, Training) else self._places
        free = [place for place in places if place not in self._busy]
        return min(free, key=lambda place: (place in self._idle) == isinstance(item, Training), default=None)

    def _new_worker(self, place: str, item: Item) -> _Worker:
        ours, theirs = Pipe()
        gpu = self._gpus[place] if self._on_gpu else None
        process = start_process(_serve, (theirs, self._run_spec, gpu))
        theirs.close()
        return _Worker(place, process, ours, item)


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, by the names that CUDA_VISIBLE_DEVICES gives them."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    return given.split(",") if given else [str(number) for number in range(torch.cuda.device_count())]


def _serve(connection: Connection, run_spec: RunSpec, gpu: str | None) -> None:
    """The new process: does the items it is given, until no more come."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is its parent's to handle
    end_with_parent()
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    resolved: list[Setup] = []

    def do(item: Item) -> None:
        connection.send(("progress", 0))
        if not resolved:
            resolved.append(run_spec.resolve())
        item.do(resolved[0], lambda: connection.send(("progress", 1)))

    try:
        while True:
            connection.send(answered(do, connection.recv()))
    except (EOFError, OSError, KeyboardInterrupt):
        sys.exit(1)  # the parent asked for it, or is gone
