"""The interface of executors: processes of this machine, or a Ray cluster.

The driver in `benchmarks.executors.execute` knows which job needs which, and shows the progress. It gives an executor
jobs that can start now. The executor runs them where it has room, and reports their progress and their end.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType

from benchmarks.jobs.job import Job
from benchmarks.results.store import Store

log = logging.getLogger(__name__)

POLL_SECONDS = 2.0


@dataclass(frozen=True)
class Progress:
    """A job did this many more updates or texts, and an attack asked this many more queries."""

    key: str
    amount: int
    queries: int = 0


@dataclass(frozen=True)
class Done:
    """A job's record is in the store."""

    key: str


Event = Progress | Done


class Elsewhere:
    """The jobs that another command is running.

    Args:
        store: the store with their locks. If it does not wait, no job counts as held; a held one then fails when it
            starts.
    """

    def __init__(self, store: Store):
        self._store = store
        self._told: set[str] = set()

    def is_at(self, job: Job) -> bool:
        """Whether another command is running a job; the first time, a warning says so."""
        if not self._store.waits or not job.home(self._store).is_held(job.kind, job.key):
            return False
        if job.key not in self._told:
            self._told.add(job.key)
            log.warning("%s is running in another process; waiting for its end, while other work continues", job.label)
        return True


class Executor(ABC):
    """Runs the jobs of one run, as a context manager around them all.

    An exception ends the running jobs in such a way that the same command continues them.
    """

    @abstractmethod
    def __enter__(self) -> Executor:
        """Start what is needed, and check each machine before any work.

        Raises:
            UserError, MachineError: with one sentence that names the machine and what it lacks.
        """

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """End everything that was started."""

    @abstractmethod
    def describe(self) -> str:
        """The workers, in a few words for the screen."""

    @abstractmethod
    def submit(self, job: Job) -> None:
        """Accept a job with its needs in the store; it starts at once, or when there is room."""

    @abstractmethod
    def events(self) -> Iterator[Event]:
        """Yield new events; wait up to `POLL_SECONDS` for one.

        Raises:
            UserError, MachineError, UserCodeError: those of a job; a MachineError if its process ended early.
        """
