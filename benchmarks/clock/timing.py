"""The training clock: seconds from CUDA event pairs, or from the CPU's clock without a GPU.

Counted is the time inside spans: every update with its forward and backward passes, clipping and optimiser step, and
the method's own code between stages. Not counted: reading, tokenising, collating, copying, evaluation, saving.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import torch
from scipy.stats import linregress

TIMING_RULES = "1"

DRIFT_SLOPE = 0.01
DRIFT_ERRORS = 3  # the time of a step varies with the length of its texts; a slope must exceed this scatter too
SPREAD_RATIO = 1.5
SHORTEST_SERIES = 20


class _Readings:
    """Seconds by span since a start, in the order read; they can be saved and continued."""

    def __init__(self) -> None:
        self.series: dict[str, list[float]] = defaultdict(list)
        self.copies: list[float] = []
        self.started = time.perf_counter()

    def _read(self) -> None:
        """Fetch readings that are not complete yet."""

    def readings(self) -> dict[str, Any]:
        """Seconds so far, after at most one synchronisation; see `summarise`."""
        self._read()
        return summarise(self.series, self.copies, time.perf_counter() - self.started)

    def state(self) -> dict[str, Any]:
        """All series so far and the seconds since the start."""
        self._read()
        return {"series": dict(self.series), "copies": self.copies, "wall": time.perf_counter() - self.started}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from there: later readings are dropped, and the time in between does not count."""
        self._read()
        self.series.clear()
        self.series.update({name: list(values) for name, values in state["series"].items()})
        self.copies[:] = state["copies"]
        self.started = time.perf_counter() - state["wall"]


class HostTimer(_Readings):
    """Spans on the CPU's monotonic clock, for a CPU, where nothing runs asynchronously."""

    clock: Literal["host", "cuda"] = "host"

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        """Add the block's seconds to the span `name`."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.series[name].append(time.perf_counter() - started)

    @contextmanager
    def copy(self) -> Iterator[None]:
        """Add the block's seconds to the copies."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.copies.append(time.perf_counter() - started)


class CudaTimer(_Readings):
    """Spans as pairs of CUDA events, read in blocks when the queue is empty; no span synchronises.

    Args:
        make_event: makes an event with `record()` and `elapsed_time(other)` in milliseconds.
        synchronize: waits until all recorded events are complete.
        block: pairs recorded between two readings; events are reused.
    """

    clock: Literal["host", "cuda"] = "cuda"

    def __init__(
        self,
        make_event: Callable[[], Any] = lambda: torch.cuda.Event(enable_timing=True),
        synchronize: Callable[[], None] = torch.cuda.synchronize,
        block: int = 4096,
    ) -> None:
        self._make_event, self._synchronize, self._block = make_event, synchronize, block
        self._pending: list[tuple[list[float], Any, Any]] = []
        self._pool: list[Any] = []
        synchronize()
        super().__init__()

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        """Add the GPU's seconds between two events to the span `name`."""
        with self._pair(self.series[name]):
            yield

    @contextmanager
    def copy(self) -> Iterator[None]:
        """Add the GPU's seconds between two events to the copies."""
        with self._pair(self.copies):
            yield

    @contextmanager
    def _pair(self, target: list[float]) -> Iterator[None]:
        first, last = self._event(), self._event()
        first.record()
        try:
            yield
        finally:
            last.record()
            self._pending.append((target, first, last))
            if len(self._pending) >= self._block:
                self._read()

    def _event(self) -> Any:
        return self._pool.pop() if self._pool else self._make_event()

    def _read(self) -> None:
        self._synchronize()
        for target, first, last in self._pending:
            target.append(first.elapsed_time(last) / 1000)
            self._pool += [first, last]
        self._pending.clear()


def timer_for(device: str) -> HostTimer | CudaTimer:
    """CUDA events for a CUDA device, otherwise the CPU's clock."""
    return CudaTimer() if device.startswith("cuda") else HostTimer()


def summarise(series: dict[str, list[float]], copies: list[float], wall: float) -> dict[str, Any]:
    """The four numbers of a run, its spans and its step series.

    Returns:
        `gpu`: training seconds, the sum over all spans (CPU seconds if the clock is the CPU's); `h2d`: copies;
        `wall`: from the first to the last reading; `gpu_busy_fraction`: the first divided by the third; `spans`:
        seconds by name; `steps`: per repeated span, its count, median, 5th and 95th percentile, and relative slope
        with its error; `flags`: "drift" or "spread" with the span's name, if declared bounds are exceeded.
    """
    spans = {name: float(sum(values)) for name, values in series.items()}
    steps = {name: _statistics(values) for name, values in series.items() if len(values) > 1}
    flags = [flag for name, step in steps.items() for flag in _flags(name, step)]
    total = sum(spans.values())
    return {
        "rules": TIMING_RULES,
        "gpu": total,
        "h2d": float(sum(copies)),
        "wall": wall,
        "gpu_busy_fraction": total / wall if wall > 0 else 0.0,
        "spans": spans,
        "steps": steps,
        "flags": flags,
    }


def _statistics(values: list[float]) -> dict[str, float]:
    seconds = np.asarray(values)
    low, median, high = np.percentile(seconds, [5, 50, 95])
    slope, error = _slope(seconds)
    return {
        "count": len(values),
        "median_seconds": float(median),
        "p5_seconds": float(low),
        "p95_seconds": float(high),
        "slope": slope,
        "slope_error": error,
    }


def _slope(seconds: np.ndarray) -> tuple[float, float]:
    """Slope of a line fitted to the steps, from the first to the last, divided by the mean; and its standard error."""
    if seconds.mean() == 0 or len(seconds) < 3:
        return 0.0, 0.0
    line = linregress(np.linspace(0, 1, len(seconds)), seconds / seconds.mean())
    return float(line.slope), float(line.stderr)


def _flags(name: str, step: dict[str, float]) -> list[str]:
    """Flags of a series; a short series gets none."""
    if step["count"] < SHORTEST_SERIES:
        return []
    flags = []
    if abs(step["slope"]) > max(DRIFT_SLOPE, DRIFT_ERRORS * step["slope_error"]):
        flags.append(f"drift: {name}")
    if step["p95_seconds"] > SPREAD_RATIO * step["median_seconds"]:
        flags.append(f"spread: {name}")
    return flags
