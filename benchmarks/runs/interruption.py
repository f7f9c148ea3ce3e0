"""SIGTERM and Ctrl-C: an end that leaves everything resumable."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def raise_interrupt(number: int, frame: FrameType | None) -> None:
    """A signal's handler: the exception that Ctrl-C raises, for SIGTERM too."""
    raise KeyboardInterrupt


@contextmanager
def deferred() -> Iterator[Callable[[], bool]]:
    """While the block runs, the first signal is only noted, for the block to end at a good moment; a second one raises.

    Yields:
        Whether a signal came. Where handlers cannot be set, outside the main thread, none ever does.
    """
    came = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield came.is_set
        return

    def note(number: int, frame: FrameType | None) -> None:
        if came.is_set():
            raise KeyboardInterrupt
        came.set()

    before = {each: signal.signal(each, note) for each in SIGNALS}
    try:
        yield came.is_set
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
