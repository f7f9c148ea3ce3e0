"""The shortest time of a few calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def shortest_seconds(*works: Callable[[], Any], repeats: int, clock: Callable[[], float]) -> list[float]:
    """For each piece of work the shortest time of a call, after one call that is not timed.

    Several pieces are called in turn, so that other load on the machine meets all of them.

    Args:
        repeats: number of timed calls of each piece.
        clock: `time.thread_time` for work on this thread alone, `time.perf_counter` for work on several threads.
    """
    taken: list[list[float]] = [[] for _ in works]
    for work in works:
        work()
    for _ in range(repeats):
        for work, seconds in zip(works, taken, strict=True):
            start = clock()
            work()
            seconds.append(clock() - start)
    return [min(seconds) for seconds in taken]
