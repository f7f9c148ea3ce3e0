"""Test the clock itself: planted faults must show, and one method under two names must cost the same."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from baselines.batch import Batch
from baselines.fine_tune import FineTune
from baselines.training import fit
from benchmarks.clock.contention import TOLERATED_SHARE, cpu_contention
from benchmarks.clock.cost import EncoderShape
from benchmarks.clock.machine import usable_cores
from benchmarks.clock.nvml import cuda_device, watching
from benchmarks.clock.synchronisations import SynchronisationWatch
from benchmarks.clock.timing import timer_for
from benchmarks.speed.step_speed import RandomBatches, random_batch, random_bert

SHAPE = EncoderShape(layers=4, hidden=256, heads=4, neurons=1024)
TEXTS, TOKENS, UPDATES = 16, 32, 20
# On a GPU updates must take longer than their launches; otherwise the clock shows the speed of a CPU that just slept.
GPU_SHAPE = EncoderShape(layers=4, hidden=512, heads=8, neurons=2048)
GPU_TEXTS, GPU_TOKENS = 128, 128
SLEEP_SECONDS = 0.05
BLOCKS = 5
PLAIN = FineTune(epochs=1)
# A loader that sleeps leaves the machine's caches cold; this is not a fault of the clock.
TOLERANCE = 0.25


@dataclass(frozen=True)
class SelfTest:
    """One planted fault.

    Attributes:
        fault: what was planted.
        expected: what the clock must show.
        seen: what it showed.
        passed: whether the two agree.
    """

    fault: str
    expected: str
    seen: str
    passed: bool


def self_tests(device: str, shape: EncoderShape | None = None) -> list[SelfTest]:
    """Plant a sleeping loader, a read-back in the step, and a second process."""
    shape = shape or shape_for(device)
    return [_sleeping_loader(device, shape), _read_back(device, shape), _second_process(device, shape)]


def shape_for(device: str) -> EncoderShape:
    """The shape of encoder that is trained."""
    return GPU_SHAPE if device == "cuda" else SHAPE


def same_method_twice(
    device: str, say: Callable[[str], None] = lambda line: None, shape: EncoderShape | None = None
) -> tuple[list[float], list[float]]:
    """Seconds of fine-tuning under two names, in five blocks of a shuffled order; any difference is noise."""
    shape = shape or shape_for(device)
    seconds: dict[str, list[float]] = {"A": [], "B": []}
    _run(device, shape)
    for block in range(BLOCKS):
        names = ["A", "B"]
        random.Random(block).shuffle(names)
        for name in names:
            seconds[name].append(_run(device, shape)["gpu"])
        say(f"block {block + 1} of {BLOCKS}: {seconds['A'][-1]:.3f} s and {seconds['B'][-1]:.3f} s")
    return seconds["A"], seconds["B"]


@dataclass(frozen=True, kw_only=True)
class _ReadsBack(FineTune, key="fine_tune_that_reads_back"):
    """Fine-tuning that reads its loss after every update, like scripts that print it."""

    title = "Fine-tune that reads back"

    def step(self, model: Any, batch: Batch) -> Tensor:
        loss = super().step(model, batch)
        loss.item()
        return loss


@dataclass(frozen=True)
class _SleepingBatches(RandomBatches):
    def epoch(self, number: int, shuffle: bool = True) -> Iterator[Batch]:
        for batch in super().epoch(number, shuffle):
            time.sleep(SLEEP_SECONDS)
            yield batch


def _batch(device: str, model: Any) -> Batch:
    texts, tokens = (GPU_TEXTS, GPU_TOKENS) if device == "cuda" else (TEXTS, TOKENS)
    return random_batch(texts, tokens, model.config.vocab_size)


def _run(device: str, shape: EncoderShape, batches: Any = None) -> dict[str, Any]:
    model = random_bert(shape).to(device)
    batches = batches or RandomBatches(_batch(device, model), UPDATES)
    timer = timer_for(device)
    fit(PLAIN, model, batches, timer=timer)
    return timer.readings()


def _sleeping_loader(device: str, shape: EncoderShape) -> SelfTest:
    _run(device, shape)
    plain = _run(device, shape)
    batch = _batch(device, random_bert(shape))
    slept = _run(device, shape, batches=_SleepingBatches(batch, UPDATES))
    clock, wall = slept["gpu"] - plain["gpu"], slept["wall"] - plain["wall"]
    planted = SLEEP_SECONDS * UPDATES
    return SelfTest(
        f"a loader that sleeps {planted:.1f} s",
        "on the wall, not on the clock",
        f"wall {wall:+.2f} s, clock {clock:+.2f} s of {plain['gpu']:.2f} s",
        wall > (1 - TOLERANCE) * planted and abs(clock) < TOLERANCE * plain["gpu"],
    )


def _read_back(device: str, shape: EncoderShape) -> SelfTest:
    counts = []
    for defense in (PLAIN, _ReadsBack(epochs=1)):
        model = random_bert(shape).to(device)
        batch = _batch(device, model).to(device)
        with SynchronisationWatch() as watch:
            for stage in defense.stages(model):
                stage.step(batch)
        counts.append(watch.counts)
    plain, planted = counts
    return SelfTest(
        "a step that reads its loss back",
        "one read-back an update more than without",
        f"{planted.total()} an update, {plain.total()} without",
        planted - plain == Counter({"aten::_local_scalar_dense": 1}),
    )


def _second_process(device: str, shape: EncoderShape) -> SelfTest:
    """On a CPU, start as many processes as needed to exceed what is tolerated."""
    alone, beside = _contention(device, shape), []
    with ExitStack() as processes:
        for _ in range(1 if device == "cuda" else 1 + int(TOLERATED_SHARE * usable_cores())):
            processes.enter_context(_busy_process(device))
        beside = _contention(device, shape)
    return SelfTest("a second busy process", "a flag", "; ".join(beside) or "no flag", bool(beside) and not alone)


def _contention(device: str, shape: EncoderShape) -> list[str]:
    if device == "cuda":
        with watching(cuda_device()) as watcher:
            _run(device, shape)
        return [reason for reason in watcher.result.invalid if "process" in reason or "held by others" in reason]
    with cpu_contention() as found:
        _run(device, shape)
    return found.flags


@contextmanager
def _busy_process(device: str) -> Iterator[None]:
    """Another process that computes from the start of the block to its end."""
    on_gpu = "import torch; x = torch.ones(4096, 4096, device='cuda'); print('ready', flush=True)\nwhile True: x @ x"
    on_cpu = "print('ready', flush=True)\nwhile True: pass"
    process = subprocess.Popen([sys.executable, "-c", on_gpu if device == "cuda" else on_cpu], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield
    finally:
        process.kill()
        process.wait()
