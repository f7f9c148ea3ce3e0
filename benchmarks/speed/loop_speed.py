"""Compare the suite's update of each method with the plain one of its release, on the same texts."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from baselines.batch import Batch
from baselines.capture import Graphs
from baselines.defense import Defense
from baselines.early_bert import EarlyBert
from baselines.robust_ticket import RobustTicket
from baselines.training import fit, matmul_precision
from benchmarks.clock.timing import timer_for
from benchmarks.speed.plain_loops import padded_to, plain_step
from benchmarks.speed.step_speed import WARM_UP_UPDATES, measured_methods
from method.early_robust import EarlyRobust


@dataclass(frozen=True)
class LoopTiming:
    """The updates of one method in one implementation.

    Attributes:
        method: its title.
        padded_to: tokens to which every text is padded, or None for the longest text of its batch.
        plain: whether it is the release's implementation.
        seconds: mean seconds of an update, without warm-up.
    """

    method: str
    padded_to: int | None
    plain: bool
    seconds: float


@dataclass(frozen=True)
class GivenBatches:
    """Batches in the order they are given."""

    batches: Sequence[Batch]

    @property
    def updates_per_epoch(self) -> int:
        """The number of batches."""
        return len(self.batches)

    def epoch(self, number: int, shuffle: bool = True) -> Iterator[Batch]:
        """All batches."""
        return iter(self.batches)


def time_loops(
    model: nn.Module,
    batches: Sequence[Batch],
    *,
    longest: int,
    device: str = "cpu",
    precision: Any = "fp32",
    new_graphs: Callable[[], Graphs | None] = lambda: None,
    say: Callable[[str], None] = lambda line: None,
) -> list[LoopTiming]:
    """Time every method's update, ours and plain, with padding in the batch; plain also with padding to `longest`.

    Args:
        model: a classifier; copies of it are trained.
        batches: the first is for warm-up; the others are timed, the same for all.
        new_graphs: makes a recorder for the steps of one method; without it, steps run eagerly.
    """

    def own_seconds(defense: Defense, model: nn.Module, given: Sequence[Batch], device: str, precision: Any) -> Any:
        return _own_seconds(defense, model, given, device, precision, new_graphs())

    found = []
    for title, defense in (fresh_dropout(measured_methods()) | searches()).items():
        ways: list[tuple[int | None, bool]] = [(None, False), (None, True), (longest, True)]
        for width, plain in ways:
            given = [each.to(device) for each in batches]
            if width is not None:
                given = [padded_to(each, width) for each in given]
            run = _plain_seconds if plain else own_seconds
            seconds = run(defense, copy.deepcopy(model).to(device), given, device, precision)
            found.append(LoopTiming(title, width, plain, statistics.mean(seconds[WARM_UP_UPDATES:])))
            way = "plain" if plain else "ours"
            say(f"{title}, {way}, padded to {width or 'the longest of the batch'}: {found[-1].seconds:.3f} s an update")
    return found


def fresh_dropout(methods: dict[str, Defense]) -> dict[str, Defense]:
    """The methods with separate dropout masks in each pass, as in most releases."""
    return {
        title: replace(defense, dropout="fresh") if hasattr(defense, "dropout") else defense  # type: ignore[call-arg]
        for title, defense in methods.items()
    }


def searches() -> dict[str, Defense]:
    """The searches for tickets, with K = 3 for the adversarial ones."""
    freelb = EarlyRobust().search.changed(steps=3)
    masks = RobustTicket()
    return {
        "EarlyBERT, search": EarlyBert(epochs=1, draw_epoch=1),
        "EarlyRobust-3, search": EarlyRobust(epochs=1, search=freelb),
        "RobusT-3, search": replace(masks, epochs=1, first_epochs=1, search=masks.search.changed(steps=3)),
    }


def measured_stage(defense: Defense) -> str:
    """The stage to measure: the search, for a method that has one."""
    return "search" if isinstance(defense, EarlyBert | EarlyRobust | RobustTicket) else "train"


def _own_seconds(
    defense: Defense, model: nn.Module, batches: Sequence[Batch], device: str, precision: Any, graphs: Graphs | None
) -> list[float]:
    timer = timer_for(device)
    given = GivenBatches(batches)
    fit(defense, model, given, timer=timer, precision=precision, most_updates=len(batches), graphs=graphs)
    timer.readings()
    return timer.series[measured_stage(defense)]


def _plain_seconds(
    defense: Defense, model: nn.Module, batches: Sequence[Batch], device: str, precision: Any
) -> list[float]:
    """Wall seconds of an update: gradients, clipping, and an optimiser that updates one parameter after another."""
    model.train()
    step, parameters = plain_step(defense, model)
    optimizer = torch.optim.AdamW(parameters, lr=2e-5, weight_decay=0.01, foreach=False, fused=False)
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    seconds = []
    for batch in batches:
        started = time.perf_counter()
        with matmul_precision(precision), torch.autocast(torch.device(device).type, kind, enabled=precision == "bf16"):
            step(batch)
        nn.utils.clip_grad_norm_(parameters, 1.0, foreach=False)
        optimizer.step()
        optimizer.zero_grad()
        if device != "cpu":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return seconds
