"""Signals: the first is noted, the second raises, and what was before comes back."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from benchmarks.runs.interruption import deferred, raise_interrupt


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_is_noted_and_the_second_raises(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with deferred() as is_interrupted:
        assert not is_interrupted()
        os.kill(os.getpid(), number)
        assert is_interrupted()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_no_handler_is_set_outside_the_main_thread() -> None:
    seen = []

    def work() -> None:
        with deferred() as is_interrupted:
            seen.append(is_interrupted())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]


def test_a_handler_for_sigterm_raises_what_ctrl_c_raises() -> None:
    with pytest.raises(KeyboardInterrupt):
        raise_interrupt(signal.SIGTERM, None)
