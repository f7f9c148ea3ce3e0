"""What outlives a killed process is ended: those named alone, and no other that has got their number since."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[3]
OWNER = """
import subprocess, sys, time
import psutil
from benchmarks.executors import left_behind
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
sleepers = [subprocess.Popen(sleep, start_new_session=True) for _ in "ab"]
guard = left_behind.Guard()
guard.name([psutil.Process(sleepers[0].pid)])
print(*[sleeper.pid for sleeper in sleepers], guard._process.pid, flush=True)
"""


def ended(pid: int, seconds: float) -> bool:
    """Whether a process ends in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("end", ["SIGKILL to the group", "SIGKILL", "its own end"])
def test_what_outlives_its_owner_is_ended(end: str) -> None:
    code = OWNER + ("" if end == "its own end" else "time.sleep(600)")
    owner = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    named, other, guard = map(int, owner.stdout.readline().split())
    try:
        assert owner.poll() is None or end == "its own end"
        if end != "its own end":
            assert psutil.pid_exists(named), "it ends nothing while its owner lives"
            (os.killpg if "group" in end else os.kill)(owner.pid, signal.SIGKILL)
        owner.wait()
        assert ended(named, 30) and ended(guard, 30)
        assert psutil.pid_exists(other), "it was not named"
    finally:
        os.kill(other, signal.SIGKILL)
