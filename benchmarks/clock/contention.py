"""Measure whether other processes kept the CPU busy during a run without a GPU."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil

from benchmarks.clock.machine import usable_cores

# A run is flagged if others use more than this share of all cores on average.
TOLERATED_SHARE = 0.1


@dataclass
class CpuContention:
    """CPU use of other processes during a block; filled in when the block ends.

    Attributes:
        cores: cores that others kept busy on average, or None before the end.
        present: cores of the machine.
    """

    cores: float | None = None
    present: int = field(default_factory=usable_cores)

    @property
    def flags(self) -> list[str]:
        """One sentence if others used more than a tenth of the cores."""
        if self.cores is None or self.cores <= TOLERATED_SHARE * self.present:
            return []
        return [f"contention: other processes kept {self.cores:.1f} of {self.present} cores busy"]


@contextmanager
def cpu_contention() -> Iterator[CpuContention]:
    """Compare the machine's CPU time with this process's own while the block runs."""
    found = CpuContention()
    began, machine, own = time.monotonic(), _machine_seconds(), _own_seconds()
    try:
        yield found
    finally:
        elapsed = max(time.monotonic() - began, 1e-9)
        others = (_machine_seconds() - machine) - (_own_seconds() - own)
        found.cores = max(0.0, others / elapsed)


def _machine_seconds() -> float:
    """Busy CPU seconds of all cores since the machine started."""
    times = psutil.cpu_times()
    return times.user + times.system + getattr(times, "nice", 0.0) + getattr(times, "steal", 0.0)


def _own_seconds() -> float:
    """CPU seconds of this process and of its children that have ended."""
    times = psutil.Process().cpu_times()
    return times.user + times.system + times.children_user + times.children_system
