"""Whether other processes kept the CPU busy during a run, where there is no GPU whose driver would tell."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil

from benchmarks.clock.machine import usable_cores

# Share of all cores that others may use, on average, before a run is flagged.
TOLERATED_SHARE = 0.1


@dataclass
class Company:
    """What other processes did during a block; filled when it is left.

    Attributes:
        cores: cores that others kept busy on average, or None before the end.
        present: cores of the machine.
    """

    cores: float | None = None
    present: int = field(default_factory=usable_cores)

    @property
    def flags(self) -> list[str]:
        """A sentence where others used more than a tenth of the cores."""
        if self.cores is None or self.cores <= TOLERATED_SHARE * self.present:
            return []
        return [f"contention: other processes kept {self.cores:.1f} of {self.present} cores busy"]


@contextmanager
def company() -> Iterator[Company]:
    """Compare the machine's CPU time with this process's own while the block runs."""
    found = Company()
    began, machine, own = time.monotonic(), _machine_seconds(), _own_seconds()
    try:
        yield found
    finally:
        elapsed = max(time.monotonic() - began, 1e-9)
        others = (_machine_seconds() - machine) - (_own_seconds() - own)
        found.cores = max(0.0, others / elapsed)


def _machine_seconds() -> float:
    """Busy CPU seconds of all cores since the start."""
    times = psutil.cpu_times()
    return times.user + times.system + getattr(times, "nice", 0.0) + getattr(times, "steal", 0.0)


def _own_seconds() -> float:
    """CPU seconds of this process and of its children that have ended."""
    times = psutil.Process().cpu_times()
    return times.user + times.system + times.children_user + times.children_system
