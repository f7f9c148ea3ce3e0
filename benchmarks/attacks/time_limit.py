"""A bound on the time that one step of a search may take, so that a text on which it hangs does not hang the run."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STEP_SECONDS = 600.0
TEXT_SECONDS = 3600.0


@contextmanager
def time_limit(seconds: float) -> Iterator[Callable[[], None]]:
    """Raises TimeoutError inside the block when it takes longer, by the system's alarm.

    The alarm reaches the main thread alone, where attacks run; in another one there is no bound. Code that never
    returns to Python is not interrupted. A limit around this one goes on counting, and rings when this block is left.

    Yields:
        a function that counts the seconds anew from its call.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"it took longer than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    left, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    started = time.monotonic()
    try:
        yield lambda: signal.setitimer(signal.ITIMER_REAL, seconds)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - started), 1e-6))
