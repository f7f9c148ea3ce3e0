"""Time limits, so that one text on which an attack hangs does not stop the run."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType

STEP_SECONDS = 600.0
TEXT_SECONDS = 3600.0

Restart = Callable[[], None]

# The end of the innermost limit, by timer; the system reports a timer's remaining time only in coarse steps
_ends: dict[int, float] = {}


def time_limit(seconds: float) -> AbstractContextManager[Restart]:
    """Raise TimeoutError inside the block when it takes longer in wall time; see `_limit`."""
    message = f"it took longer than {seconds:g} s"
    return _limit(seconds, signal.SIGALRM, signal.ITIMER_REAL, time.monotonic, message)


def processor_limit(seconds: float) -> AbstractContextManager[Restart]:
    """Raise TimeoutError inside the block when this process uses more processor time; see `_limit`.

    Time does not count while the process is stopped (Ctrl-Z, a scheduler, a sleeping machine) or while others use the
    processor, so that the limit does not depend on them.
    """
    message = f"it took more than {seconds:g} s of the processor"
    return _limit(seconds, signal.SIGPROF, signal.ITIMER_PROF, time.process_time, message)


@contextmanager
def _limit(
    seconds: float, number: signal.Signals, timer: int, clock: Callable[[], float], message: str
) -> Iterator[Restart]:
    """Raise TimeoutError inside the block when a timer of the system runs out.

    Its signal reaches only the main thread, where attacks run; in other threads there is no limit. Code that never
    returns to Python is not interrupted. A limit around this one keeps counting, and raises after this block.

    Yields:
        a function that restarts the limit.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return

    def ring(received: int, frame: FrameType | None) -> None:
        raise TimeoutError(message)

    def restart() -> None:
        _ends[timer] = clock() + seconds
        signal.setitimer(timer, seconds)

    before = signal.signal(number, ring)
    left, _ = signal.getitimer(timer)
    outer = _ends.get(timer, clock() + left)
    restart()
    try:
        yield restart
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
