"""Measure the cost of a training by each method at a given shape: updates of every stage, in shuffled blocks."""

from __future__ import annotations

import copy
import gc
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from baselines.capture import Graphs
from baselines.defense import Defense
from baselines.early_bert import EarlyBert
from baselines.fine_tune import FineTune
from baselines.freelb import FreeLB
from baselines.info_bert import InfoBert
from baselines.pgd import PGD
from baselines.robust_ticket import RobustTicket
from baselines.training import fit, planned_updates
from benchmarks.clock.machine import peak_memory_bytes
from benchmarks.clock.timing import timer_for
from benchmarks.speed.step_speed import RandomBatches, random_batch
from method.early_robust import EarlyRobust

WARM_UP_UPDATES = 2
UPDATES_PER_EPOCH = 2000  # about SST-2's at a batch of 32; enough that no stage is at its minimum number of updates


@dataclass(frozen=True)
class StageSteps:
    """One stage of a method.

    Attributes:
        epochs: planned length.
        seconds: median training seconds of an update, without warm-up.
    """

    epochs: float
    seconds: float


@dataclass(frozen=True)
class MethodTiming:
    """One method in one block.

    Attributes:
        method: its title.
        block: from 0; every method runs once in each block.
        stages: its stages by name.
        off_clock_share: share of the wall time outside every span and every copy.
        watts: mean power of the board during the run, or None if not reported.
        peak_memory_bytes: peak memory allocated on a GPU during the run, or None.
    """

    method: str
    block: int
    stages: Mapping[str, StageSteps]
    off_clock_share: float
    watts: float | None
    peak_memory_bytes: int | None

    def training_seconds(self, search_epochs: float | None = None) -> float:
        """Seconds of a training over one epoch's updates: the sum of epochs times seconds of an update.

        Args:
            search_epochs: length of EarlyRobust's search, if known; otherwise its maximum is used.
        """
        known = {"search": search_epochs} if self.method == EarlyRobust.title and search_epochs is not None else {}
        return sum(known.get(name, stage.epochs) * stage.seconds for name, stage in self.stages.items())


def compared_methods() -> dict[str, Defense]:
    """The methods of Table 1 with the settings that the speedups refer to: K = 5, for InfoBERT 3."""
    return {
        "Fine-tune": FineTune(),
        "EarlyBERT": EarlyBert(),
        "PGD-5": PGD().changed(steps=5),
        "FreeLB-5": FreeLB().changed(steps=5),
        "InfoBERT-3": InfoBert().changed(steps=3),
        "RobusT": RobustTicket(),
        "EarlyRobust": EarlyRobust(),
    }


def time_methods(
    model: nn.Module,
    methods: Mapping[str, Defense],
    *,
    texts: int,
    tokens: int,
    blocks: int,
    updates: int,
    device: str,
    precision: Any = "fp32",
    energy: Callable[[], float | None] = lambda: None,
    graphs: Callable[[], Graphs | None] = lambda: None,
    say: Callable[[str], None] = lambda line: None,
) -> list[MethodTiming]:
    """Time every method's stages on random tokens, in blocks.

    Args:
        model: a classifier; copies of it are trained.
        updates: timed updates of each stage; the median is taken.
        energy: returns the joules that the board has used so far.
        graphs: makes a recorder for a method's steps; None runs them eagerly.
    """
    batch = random_batch(texts, tokens, model.config.vocab_size)  # type: ignore[union-attr,arg-type]
    batches = RandomBatches(batch, UPDATES_PER_EPOCH)
    found = []
    for block in range(blocks):
        order = list(methods)
        random.Random(block).shuffle(order)
        for title in order:
            found.append(
                _timed(title, block, methods[title], model, batches, updates, device, precision, energy, graphs)
            )
        say(f"block {block + 1} of {blocks}")
    return found


def _timed(
    title: str,
    block: int,
    defense: Defense,
    model: nn.Module,
    batches: RandomBatches,
    updates: int,
    device: str,
    precision: Any,
    energy: Callable[[], float | None],
    graphs: Callable[[], Graphs | None],
) -> MethodTiming:
    if device == "cuda":
        gc.collect()  # a recorded graph keeps its memory as long as a reference cycle holds it
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    torch.manual_seed(block)
    trained = copy.deepcopy(model)
    epochs: dict[str, float] = {}

    def note(stage: Any, progress: Any) -> None:
        epochs[stage.name] = planned_updates(stage, stage.epochs, batches) / batches.updates_per_epoch

    timer = timer_for(device)
    before, began = energy(), time.perf_counter()
    fit(
        defense,
        trained,
        batches,
        timer=timer,
        precision=precision,
        on_update=note,
        most_updates=WARM_UP_UPDATES + updates,
        graphs=graphs(),
    )
    readings = timer.readings()
    after, taken = energy(), time.perf_counter() - began
    return MethodTiming(
        method=title,
        block=block,
        stages={
            name: StageSteps(length, statistics.median(_timed_updates(timer.series[name])))
            for name, length in epochs.items()
        },
        off_clock_share=1 - (readings["gpu"] + readings["h2d"]) / readings["wall"],
        watts=None if before is None or after is None else (after - before) / taken,
        peak_memory_bytes=peak_memory_bytes(device) if device == "cuda" else None,
    )


def _timed_updates(seconds: Sequence[float]) -> Sequence[float]:
    """The updates after the warm-up, or all if there are no more than that."""
    return seconds[WARM_UP_UPDATES:] or seconds
