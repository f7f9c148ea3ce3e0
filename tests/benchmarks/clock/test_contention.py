"""Other processes' CPU time is told from this one's own."""

from __future__ import annotations

import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from benchmarks.clock import contention
from benchmarks.clock.contention import CpuContention, cpu_contention


def counted(
    monkeypatch: pytest.MonkeyPatch, machine: list[float], own: list[float], clock: list[float]
) -> CpuContention:
    """A block during which the counters go through those values."""
    monkeypatch.setattr(contention, "_machine_seconds", iter(machine).__next__)
    monkeypatch.setattr(contention, "_own_seconds", iter(own).__next__)
    monkeypatch.setattr(contention, "time", SimpleNamespace(monotonic=iter(clock).__next__))
    with cpu_contention() as found:
        found.present = 4
        assert found.cores is None and found.flags == []
    return found


def test_own_time_is_not_others(monkeypatch: pytest.MonkeyPatch) -> None:
    found = counted(monkeypatch, machine=[100.0, 120.0], own=[5.0, 25.0], clock=[0.0, 10.0])
    assert found.cores == 0 and found.flags == []


def test_others_time_is_flagged_by_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    found = counted(monkeypatch, machine=[100.0, 130.0], own=[5.0, 20.0], clock=[0.0, 10.0])
    assert found.cores == 1.5
    assert found.flags == ["contention: other processes kept 1.5 of 4 cores busy"]


def test_a_little_is_tolerated() -> None:
    assert CpuContention(cores=0.3, present=4).flags == []
    assert CpuContention(cores=0.5, present=4).flags != []


def test_a_busy_process_is_seen() -> None:
    """On a machine busy with other things the count is higher, never lower."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        with cpu_contention() as found:
            time.sleep(1.0)
        process.kill()
    assert found.cores is not None and found.cores > 0.1
