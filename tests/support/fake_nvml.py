"""GPUs that replay a script: healthy, throttled, shared, or broken."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.clock.nvml import Sample


@dataclass
class FakeDevice:
    """A GPU whose n-th look is the n-th entry of a script, the last one for ever; an exception is raised."""

    script: list[dict | Exception]
    looks: int = 0

    def sample(self) -> Sample:
        """The next entry."""
        entry = self.script[min(self.looks, len(self.script) - 1)]
        self.looks += 1
        if isinstance(entry, Exception):
            raise entry
        usual = {"sm_mhz": 1980, "watts": 300.0, "celsius": 50, "reasons": 0, "energy_millijoules": 1000 * self.looks}
        return Sample(**({"at": time.monotonic(), "processes": (), "used_bytes": 1 << 30} | usual | entry))


def healthy() -> FakeDevice:
    """Nothing to complain of."""
    return FakeDevice([{}])


def marked(path: str) -> FakeDevice:
    """Healthy, and a file that says that it was opened."""
    Path(path).touch()
    return healthy()


def throttled() -> FakeDevice:
    """Hardware thermal slowdown from the second look on."""
    return FakeDevice([{}, {"reasons": 0x40}])


def breaking() -> FakeDevice:
    """The driver raises from the second look on."""
    return FakeDevice([{}, OSError("GPU is lost")])


def absent() -> FakeDevice:
    """No driver at all."""
    raise RuntimeError("NVML is not available: driver not loaded")


def suicidal() -> FakeDevice:
    """The helper process ends at its third look."""

    class Ending(FakeDevice):
        def sample(self) -> Sample:
            if self.looks == 2:
                os._exit(9)
            return super().sample()

    return Ending([{}])
