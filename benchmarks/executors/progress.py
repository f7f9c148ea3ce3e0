"""Live progress: a bar on a terminal, a plain line every thirty seconds elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from baselines.validation import printable

PLAIN_INTERVAL_SECONDS = 30


class Bar(Protocol):
    """One piece of work in progress."""

    def advance(self, amount: int = 1, *, queries: int = 0) -> None:
        """Report that `amount` of the work was done, with the number of queries of an attack."""

    def end(self) -> None:
        """Report that the work has ended."""


class Reporter:
    """Show pieces of work on a console."""

    def __init__(self, console: Console):
        self.console = console
        self.last_line = time.monotonic()

    def say(self, line: str) -> None:
        """Print one line."""
        self.console.print(printable(line), highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def progress(self) -> Iterator[Callable[[str, int | None], Bar]]:
        """Show any number of pieces of work at once until the block ends.

        Yields:
            A function that adds one, given its label and its length (None if not known).
        """
        if not self.console.is_terminal:
            yield partial(_PlainBar, self)
            return
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self.console, transient=True) as progress:
            yield partial(_RichBar, progress)

    @contextmanager
    def work(self, label: str, total: int | None) -> Iterator[Bar]:
        """Show one piece of work until the block ends; `total` is None if the length is not known."""
        with self.progress() as add_task:
            yield add_task(label, total)


class _RichBar:
    def __init__(self, progress: Progress, label: str, total: int | None):
        self.progress, self.task = progress, progress.add_task(label, total=total)
        self.label, self.queries = label, 0

    def advance(self, amount: int = 1, *, queries: int = 0) -> None:
        self.queries += queries
        told = f"{self.label}{_queries(self.queries)}"
        self.progress.update(self.task, advance=amount, description=told)

    def end(self) -> None:
        self.progress.remove_task(self.task)


class _PlainBar:
    """Print at most one line per interval, over all the work of a reporter."""

    def __init__(self, reporter: Reporter, label: str, total: int | None):
        self.reporter, self.label, self.total, self.done, self.queries = reporter, label, total, 0, 0

    def advance(self, amount: int = 1, *, queries: int = 0) -> None:
        self.done += amount
        self.queries += queries
        now = time.monotonic()
        if now - self.reporter.last_line >= PLAIN_INTERVAL_SECONDS:
            self.reporter.last_line = now
            share = f" of {self.total}" if self.total else ""
            self.reporter.say(f"  {self.label}: {self.done}{share}{_queries(self.queries)}")

    def end(self) -> None:
        """Do nothing: a printed line stays."""


def _queries(count: int) -> str:
    return f", {count:,} queries" if count else ""
