"""SIGTERM and Ctrl-C: an end that leaves everything resumable."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def raise_interrupt(number: int, frame: FrameType | None) -> None:
    """A signal's handler: the exception that Ctrl-C raises, for SIGTERM too."""
    raise KeyboardInterrupt


def end_with_parent() -> None:
    """End this process at once when the one that started it is gone, so that no work goes on that nobody waits for."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        parent.join()
        os._exit(1)

    if parent is not None:
        threading.Thread(target=wait, daemon=True).start()


@contextmanager
def deferred() -> Iterator[Callable[[], bool]]:
    """While the block runs, a signal is only noted, for the block to end at a good moment; a second Ctrl-C raises.

    SIGTERM may come twice without anyone's impatience: to all processes of a job, and from the parent again. Where a
    signal came and the block ended as if none had, KeyboardInterrupt is raised behind it.

    Yields:
        Whether a signal came. One that is ignored stays so; outside the main thread, where no handler can be set, none
        ever comes.
    """
    came = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield came.is_set
        return

    def note(number: int, frame: FrameType | None) -> None:
        if came.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        came.set()

    heeded = [each for each in SIGNALS if signal.getsignal(each) is not signal.SIG_IGN]
    before = {each: signal.signal(each, note) for each in heeded}
    try:
        yield came.is_set
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    if came.is_set():
        raise KeyboardInterrupt
