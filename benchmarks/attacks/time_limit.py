"""Bounds on the time that work may take, so that a text on which it hangs does not hang the run."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType

STEP_SECONDS = 600.0
TEXT_SECONDS = 3600.0

CountAnew = Callable[[], None]

# By timer, when the innermost limit rings: a timer of the system tells the time that is left in coarse steps
_ends: dict[int, float] = {}


def time_limit(seconds: float) -> AbstractContextManager[CountAnew]:
    """Raise TimeoutError inside the block when it takes longer by the clock on the wall; see `_limit`."""
    message = f"it took longer than {seconds:g} s"
    return _limit(seconds, signal.SIGALRM, signal.ITIMER_REAL, time.monotonic, message)


def processor_limit(seconds: float) -> AbstractContextManager[CountAnew]:
    """Raise TimeoutError inside the block when this process computes longer; see `_limit`.

    While the process is stopped (Ctrl-Z, a scheduler, a sleeping machine), or others have the processor, nothing is
    counted: what a text takes does not depend on them.
    """
    message = f"it took more than {seconds:g} s of the processor"
    return _limit(seconds, signal.SIGPROF, signal.ITIMER_PROF, time.process_time, message)


@contextmanager
def _limit(
    seconds: float, number: signal.Signals, timer: int, clock: Callable[[], float], message: str
) -> Iterator[CountAnew]:
    """Raise TimeoutError inside the block when a timer of the system runs out.

    Its signal reaches the main thread alone, where attacks run; in another one there is no bound. Code that never
    returns to Python is not interrupted. A limit around this one goes on counting, and rings when this block is left.

    Yields:
        a function that counts the seconds anew from its call.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return

    def ring(received: int, frame: FrameType | None) -> None:
        raise TimeoutError(message)

    def count_anew() -> None:
        _ends[timer] = clock() + seconds
        signal.setitimer(timer, seconds)

    before = signal.signal(number, ring)
    left, _ = signal.getitimer(timer)
    outer = _ends.get(timer, clock() + left)
    count_anew()
    try:
        yield count_anew
    finally:
        signal.setitimer(timer, 0)
        signal.signal(number, before)
        del _ends[timer]
        if left:
            _ends[timer] = outer
            if (rest := outer - clock()) > 0:
                signal.setitimer(timer, rest)
            else:
                signal.raise_signal(number)
