"""Find where the time of an update goes, with torch's profiler: kernels, launches and the gaps between them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from baselines.batch import Batch
from baselines.capture import Graphs
from baselines.defense import Defense
from baselines.training import fit
from baselines.validation import MachineError
from benchmarks.speed.step_speed import RandomBatches

WARM_UP_UPDATES = 3
SHOWN_KERNELS = 12


@dataclass(frozen=True)
class Kernel:
    """One kind of kernel; on a CPU, one operation.

    Attributes:
        name: as the profiler names it.
        calls: calls per update.
        seconds: seconds per update.
    """

    name: str
    calls: float
    seconds: float


@dataclass(frozen=True)
class StepProfile:
    """Updates under the profiler, which slows the CPU down: use the shares, not the seconds.

    Attributes:
        what: what was profiled, in words.
        wall_seconds: of an update, by the CPU's clock.
        busy_seconds: time per update in which the device computed; on a CPU, that of all operations.
        launches: kernels per update.
        kernels: the kernels with most time, longest first.
    """

    what: str
    wall_seconds: float
    busy_seconds: float
    launches: float
    kernels: tuple[Kernel, ...]

    @property
    def busy_share(self) -> float:
        """Share of the time in which the device computed; the rest are gaps between kernels."""
        return self.busy_seconds / self.wall_seconds


def profile_updates(
    what: str,
    defense: Defense,
    model: nn.Module,
    batch: Batch,
    *,
    updates: int,
    device: str,
    precision: Any = "fp32",
    graphs: Graphs | None = None,
) -> StepProfile:
    """Profile updates of the first stage of a defense in the training loop, without warm-up.

    Args:
        what: its name in tables.
        model: will be trained.
        graphs: records the steps, if given.
    Raises:
        MachineError: if the profiler recorded nothing.
    """
    on_gpu = device == "cuda"
    os.environ.setdefault("TEARDOWN_CUPTI", "0")  # without it, a second profile may crash if graphs are replayed
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    profiler, clock = profile(activities=activities), [0.0, 0.0]

    def wait() -> float:
        if on_gpu:
            torch.cuda.synchronize()
        return time.perf_counter()

    def observe(stage: Any, progress: Any) -> None:
        if progress.update == WARM_UP_UPDATES:
            profiler.start()
            clock[0] = wait()
        elif progress.update == WARM_UP_UPDATES + updates:
            clock[1] = wait()
            profiler.stop()

    batches = RandomBatches(batch, WARM_UP_UPDATES + updates)
    fit(
        defense,
        model,
        batches,
        precision=precision,
        on_update=observe,
        most_updates=WARM_UP_UPDATES + updates,
        graphs=graphs,
    )
    events = own_events(profiler.events() or [], on_gpu)
    if not events:
        raise MachineError("torch's profiler recorded nothing of the device; it may lack the permission to do so")
    spans = [(event.time_range.start, event.time_range.end) for event in events]
    return StepProfile(
        what=what,
        wall_seconds=(clock[1] - clock[0]) / updates,
        busy_seconds=covered(spans) / 1e6 / updates,
        launches=len(events) / updates,
        kernels=tuple(_longest(events, on_gpu, updates)),
    )


def own_events(events: Iterable[Any], on_gpu: bool) -> list[Any]:
    """The device's own events; a GPU's list also has named ranges of the CPU, which include gaps."""
    return [
        event
        for event in events
        if (event.device_type == DeviceType.CUDA) == on_gpu and not (on_gpu and event.is_user_annotation)
    ]


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """Length of the union of spans (start, end)."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def _longest(events: Sequence[Any], on_gpu: bool, updates: int) -> list[Kernel]:
    seconds: dict[str, float] = {}
    calls: dict[str, int] = {}
    for event in events:
        own = event.time_range.elapsed_us() if on_gpu else event.self_cpu_time_total
        seconds[event.name] = seconds.get(event.name, 0.0) + own / 1e6
        calls[event.name] = calls.get(event.name, 0) + 1
    ordered = sorted(seconds, key=lambda name: -seconds[name])[:SHOWN_KERNELS]
    return [Kernel(name, calls[name] / updates, seconds[name] / updates) for name in ordered]
