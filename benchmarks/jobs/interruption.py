"""Handle SIGTERM and Ctrl-C so that everything can be resumed."""

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
    """A signal handler that raises the exception of Ctrl-C, for SIGTERM too."""
    raise KeyboardInterrupt


def end_with_parent() -> None:
    """End this process at once when its parent process ends, so that no work continues unused."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        parent.join()
        os._exit(1)

    if parent is not None:
        threading.Thread(target=wait, daemon=True).start()


@contextmanager
def deferred() -> Iterator[Callable[[], bool]]:
    """Defer signals while the block runs, so that it can end at a good moment; a second Ctrl-C raises at once.

    SIGTERM may come twice without an impatient user: once to all processes of a job, and once from the parent. If a
    signal came and the block ended normally, KeyboardInterrupt is raised after it.

    Yields:
        A function that returns whether a signal came. Ignored signals stay ignored; outside the main thread no handler
        can be set, and it always returns False.
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
