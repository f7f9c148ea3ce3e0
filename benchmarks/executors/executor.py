"""The interface of executors: processes of this machine, or a Ray cluster.

The driver in `benchmarks.executors.execute` knows what depends on what and shows how it gets on; an executor is given
jobs that can be done now, does them where it has room, and tells how they get on and that they ended.
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
    """A job got on by so many updates or texts, and an attack by so many queries."""

    key: str
    amount: int
    queries: int = 0


@dataclass(frozen=True)
class Done:
    """A job's record is in the store."""

    key: str


Event = Progress | Done


class Elsewhere:
    """The jobs that another command is doing.

    Args:
        store: the store with their locks. If it does not wait, no job counts as held; a held one is then refused when
            it starts.
    """

    def __init__(self, store: Store):
        self._store = store
        self._told: set[str] = set()

    def is_at(self, job: Job) -> bool:
        """Whether another command is doing a job; the first time, a warning says so."""
        if not self._store.waits or not job.home(self._store).is_held(job.kind, job.key):
            return False
        if job.key not in self._told:
            self._told.add(job.key)
            log.warning("%s is under way in another process; waiting for its end, other work goes on", job.label)
        return True


class Executor(ABC):
    """Does jobs of one run. It is entered before the first and left after the last; left by an exception, it ends what
    is under way so that the same command continues there."""

    @abstractmethod
    def __enter__(self) -> Executor:
        """Starts what is needed, and looks at each machine before any work.

        Raises:
            ValueError, RuntimeError: with one sentence naming the machine and what it lacks.
        """

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Ends everything it started."""

    @abstractmethod
    def describe(self) -> str:
        """The workers, in a few words for the screen."""

    @abstractmethod
    def submit(self, job: Job) -> None:
        """Takes a job over: it is done at once, or when there is room. What it needs is in the store."""

    @abstractmethod
    def events(self) -> Iterator[Event]:
        """Yield new events; wait up to `POLL_SECONDS` for one.

        Raises:
            ValueError, RuntimeError: those of a job, or where its process ended without an answer.
        """
