"""Signals: the first is noted, the second raises, and what was before comes back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from benchmarks.jobs.interruption import deferred, raise_interrupt

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_is_noted_and_the_second_raises(number: signal.Signals) -> None:
    before, told = signal.getsignal(number), []
    with pytest.raises(KeyboardInterrupt), deferred() as is_interrupted:
        assert not is_interrupted()
        os.kill(os.getpid(), number)
        assert is_interrupted()
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        told.append("the block went on to its end")
    assert told and signal.getsignal(number) is before


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with deferred() as is_interrupted:
            os.kill(os.getpid(), signal.SIGINT)
            assert not is_interrupted()
    finally:
        signal.signal(signal.SIGINT, before)


ORPHAN = """
import multiprocessing, os, time
from benchmarks.jobs.interruption import end_with_parent
def work(sender):
    end_with_parent()
    sender.send(os.getpid())
    time.sleep(60)
if __name__ == "__main__":
    receiver, sender = multiprocessing.Pipe(duplex=False)
    multiprocessing.get_context("fork").Process(target=work, args=(sender,)).start()
    print(receiver.recv(), flush=True)
    os.kill(os.getpid(), 9)
"""


def test_a_child_does_not_outlive_a_killed_parent() -> None:
    found = subprocess.run([sys.executable, "-c", ORPHAN], cwd=ROOT, capture_output=True, text=True, timeout=30)
    child, end = int(found.stdout), time.monotonic() + 20
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end, "the child lives on"
        time.sleep(0.05)


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
