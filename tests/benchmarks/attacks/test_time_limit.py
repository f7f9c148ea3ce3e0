"""The bounds on time: they ring inside, leave the timers as they were, and one of them does not count a stopped run."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from benchmarks.attacks.time_limit import processor_limit, time_limit

LIMITS = pytest.mark.parametrize(
    ("limit", "number", "timer"),
    [(time_limit, signal.SIGALRM, signal.ITIMER_REAL), (processor_limit, signal.SIGPROF, signal.ITIMER_PROF)],
)


def compute(seconds: float) -> None:
    """Keep the processor busy for so many of its seconds."""
    started = time.process_time()
    while time.process_time() - started < seconds:
        pass


@LIMITS
def test_a_step_that_hangs_is_ended(limit, number, timer) -> None:
    before, started = signal.getsignal(number), time.process_time()
    with pytest.raises(TimeoutError, match=r"it took (longer|more) than 0\.05 s"), limit(0.05):
        compute(20)
    assert time.process_time() - started < 10
    assert signal.getsignal(number) is before
    assert signal.getitimer(timer) == (0, 0)


@LIMITS
def test_a_quick_one_is_not(limit, number, timer) -> None:
    with limit(0.2):
        pass
    compute(0.3)  # the timer would ring now


@LIMITS
def test_counted_anew_each_part_has_the_whole_time(limit, number, timer) -> None:
    with limit(1) as restart:
        for _ in range(12):
            restart()
            compute(0.1)
    with pytest.raises(TimeoutError), limit(0.05) as restart:
        restart()
        compute(5)


@LIMITS
def test_a_limit_around_another_goes_on_counting(limit, number, timer) -> None:
    with pytest.raises(TimeoutError, match=r"than 0\.1 s"), limit(0.1):
        for _ in range(100):
            with limit(10):
                compute(0.01)
    assert signal.getitimer(timer) == (0, 0)


@LIMITS
def test_there_is_no_bound_outside_the_main_thread(limit, number, timer) -> None:
    done = []

    def work() -> None:
        with limit(0.01) as restart:
            restart()
            compute(0.05)
            done.append(1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [1]


def test_waiting_is_counted_on_the_wall_and_not_of_the_processor() -> None:
    with processor_limit(0.2):
        time.sleep(0.5)
    with pytest.raises(TimeoutError), time_limit(0.2):
        time.sleep(5)


@pytest.mark.parametrize("stopped", [signal.SIGSTOP, signal.SIGTSTP])
def test_a_process_that_is_stopped_and_goes_on_is_not_out_of_time(stopped: signal.Signals) -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        try:
            with processor_limit(2):
                os.write(writer, b".")
                compute(0.5)
            os._exit(0)
        except TimeoutError:
            os._exit(3)
    os.read(reader, 1)
    os.kill(child, stopped)
    time.sleep(3)
    os.kill(child, signal.SIGCONT)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
