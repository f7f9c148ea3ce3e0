"""The bound on a step: it rings inside, and leaves the alarm as it was."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from benchmarks.attacks.time_limit import time_limit


def test_a_step_that_hangs_is_ended() -> None:
    before, started = signal.getsignal(signal.SIGALRM), time.monotonic()
    with pytest.raises(TimeoutError, match=r"it took longer than 0\.05 s"), time_limit(0.05):
        while time.monotonic() - started < 20:
            pass
    assert time.monotonic() - started < 10
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_a_quick_one_is_not() -> None:
    with time_limit(0.2):
        pass
    time.sleep(0.3)  # the alarm would ring now


def test_counted_anew_each_part_has_the_whole_time() -> None:
    with time_limit(0.2) as count_anew:
        for _ in range(4):
            count_anew()
            time.sleep(0.1)
    with pytest.raises(TimeoutError), time_limit(0.05) as count_anew:
        count_anew()
        time.sleep(5)


def test_a_limit_around_another_goes_on_counting() -> None:
    with pytest.raises(TimeoutError, match=r"longer than 0\.1 s"), time_limit(0.1):
        for _ in range(100):
            with time_limit(10):
                time.sleep(0.01)
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_there_is_no_bound_outside_the_main_thread() -> None:
    done = []

    def work() -> None:
        with time_limit(0.01) as count_anew:
            count_anew()
            time.sleep(0.05)
            done.append(1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [1]
