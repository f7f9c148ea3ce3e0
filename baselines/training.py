"""The one training loop: runs a defense's stages, owns the optimiser, reports to a timer, counts the passes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from baselines.batch import Batch
from baselines.defense import Defense, Progress, Stage

Precision = Literal["fp32", "tf32", "bf16"]


class Batches(Protocol):
    """A training set as seeded epochs of batches, the same for every method."""

    updates_per_epoch: int

    def epoch(self, number: int, shuffle: bool = True) -> Iterator[Batch]:
        """The batches of epoch `number`, from 0, in an order that only `number` and the set's own seed decide."""


class Timer(Protocol):
    """Adds up the time of named spans; what is outside every span is off the clock."""

    def span(self, name: str) -> AbstractContextManager[None]:
        """Time spent here is training time of the stage `name`."""

    def copy(self) -> AbstractContextManager[None]:
        """Time spent here is host-to-device copying."""


class NoTimer:
    """A timer that measures nothing."""

    def span(self, name: str) -> AbstractContextManager[None]:
        return nullcontext()

    def copy(self) -> AbstractContextManager[None]:
        return nullcontext()


class Diverged(RuntimeError):
    """The loss became NaN or infinite; the run is reported, not replaced."""


@dataclass
class Passes:
    """Passes through the encoder, counted where they happen.

    Attributes:
        forward: forward passes.
        backward_full: backward passes that left gradients on the trained parameters.
        backward_input: backward passes that gave activation gradients only.
    """

    forward: int = 0
    backward_full: int = 0
    backward_input: int = 0


@dataclass(frozen=True)
class StageLog:
    """What one stage did.

    Attributes:
        name: the stage's name.
        updates: optimiser updates made.
        updates_per_epoch: updates in one pass over the training set.
        ended_early: whether `after_update` ended the stage.
        passes: totals over the stage.
        parameters: numbers trained in this stage.
        losses: one loss per update.
        trace: what the method recorded.
    """

    name: str
    updates: int
    updates_per_epoch: int
    ended_early: bool
    passes: Passes
    parameters: int
    losses: list[float]
    trace: dict[str, Any] = field(default_factory=dict)

    @property
    def epochs(self) -> float:
        """Epochs made, fractions included."""
        return self.updates / self.updates_per_epoch

    def as_json(self) -> dict[str, Any]:
        """Plain values for a record."""
        return asdict(self) | {"epochs": self.epochs}


def fit(
    defense: Defense,
    model: nn.Module,
    batches: Batches,
    *,
    timer: Timer | None = None,
    precision: Precision = "fp32",
    on_update: Any = None,
) -> list[StageLog]:
    """Trains `model` in place and returns a log per stage.

    Stages are timed under their own names, the code between them (setting up, drawing, rewinding) under
    "before <stage>" and "after training". Seeds are the caller's: the loop draws nothing itself.

    Args:
        on_update: called as on_update(stage, progress) after each update, outside every span.
    Raises:
        Diverged: when the loss of an epoch is not finite.
        RuntimeError: when a step leaves no gradient at all.
    """
    timer = timer or NoTimer()
    logs: list[StageLog] = []
    stages = defense.stages(model)
    while True:
        stage = _next_stage(stages, timer, logs)
        if stage is None:
            return logs
        logs.append(_run(stage, model, batches, timer, precision, on_update))


def _next_stage(stages: Iterator[Stage], timer: Timer, logs: list[StageLog]) -> Stage | None:
    """Runs the defense's own code up to its next stage, on the clock."""
    with timer.span(f"after {logs[-1].name}" if logs else "set up"):
        return next(stages, None)


def _run(stage: Stage, model: nn.Module, batches: Batches, timer: Timer, precision: Precision, on_update) -> StageLog:
    least = max(1, stage.least_updates)
    total = max(least, math.floor(stage.epochs * batches.updates_per_epoch))
    horizon = max(least, math.floor((stage.schedule_epochs or stage.epochs) * batches.updates_per_epoch))
    optimizer = torch.optim.AdamW(_decay_groups(stage), lr=stage.learning_rate, eps=1e-8, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda done: warmup_then_linear(done, horizon, stage.warmup_ratio)
    )
    device = stage.parameters[0].device
    autocast = torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()
    losses: list[Tensor] = []
    ended = False
    model.train()
    with CountPasses(model, stage.parameters) as passes:
        for batch in _endless(batches, stage.shuffle, total):
            with timer.copy():
                batch = batch.to(device, non_blocking=True)
            rate = schedule.get_last_lr()[0]
            with timer.span(stage.name):
                with autocast:
                    losses.append(stage.step(batch))
                if stage.max_grad_norm is not None:
                    nn.utils.clip_grad_norm_(stage.parameters, stage.max_grad_norm)
                optimizer.step()
                schedule.step()
                optimizer.zero_grad(set_to_none=True)
                progress = Progress(len(losses), batches.updates_per_epoch, total, rate)
                if stage.after_update is not None:
                    ended = bool(stage.after_update(progress))
            if on_update is not None:
                on_update(stage, progress)
            if ended:
                break
            if len(losses) % batches.updates_per_epoch == 0:
                _refuse_divergence(stage, losses)
    values = _refuse_divergence(stage, losses)
    return StageLog(
        name=stage.name,
        updates=len(losses),
        updates_per_epoch=batches.updates_per_epoch,
        ended_early=ended,
        passes=passes,
        parameters=sum(parameter.numel() for parameter in stage.parameters),
        losses=values,
        trace=stage.trace,
    )


def warmup_then_linear(done: int, horizon: int, warmup_ratio: float) -> float:
    """The schedule's factor for update `done` + 1: up from 0 over the warm-up, then linearly down to 0 at `horizon`."""
    warmup = round(warmup_ratio * horizon)
    if done < warmup:
        return done / warmup
    return max(0.0, (horizon - done) / max(1, horizon - warmup))


def _decay_groups(stage: Stage) -> list[dict[str, Any]]:
    """Matrices decay; vectors (biases and LayerNorm weights) do not."""
    kept_out = {id(parameter) for parameter in stage.not_decayed}
    decayed = [parameter for parameter in stage.parameters if parameter.ndim > 1 and id(parameter) not in kept_out]
    others = [parameter for parameter in stage.parameters if parameter.ndim <= 1 or id(parameter) in kept_out]
    groups = [{"params": decayed, "weight_decay": stage.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def _endless(batches: Batches, shuffle: bool, total: int) -> Iterator[Batch]:
    """The first `total` batches of epoch 0, 1, 2, ..."""
    given, number = 0, 0
    while given < total:
        for batch in batches.epoch(number, shuffle):
            yield batch
            given += 1
            if given == total:
                return
        number += 1


def _refuse_divergence(stage: Stage, losses: list[Tensor]) -> list[float]:
    """All losses as numbers, read at once; off the clock."""
    values = torch.stack(losses).float().cpu().tolist()
    for update, value in enumerate(values, start=1):
        if not math.isfinite(value):
            raise Diverged(f"the loss of stage {stage.name!r} is {value} at update {update}")
    return values


class CountPasses:
    """Counts passes through a model's encoder while it is entered.

    A forward pass is a call of the encoder. A backward pass is a gradient arriving at the encoder's output; it is full
    when that run of autograd accumulated a gradient on a trained parameter below, and an input pass otherwise. One run
    through the graphs of two forward passes is two backward passes.
    """

    def __init__(self, model: nn.Module, parameters: list[nn.Parameter]):
        self.encoder: nn.Module = getattr(model, "base_model", model)
        inside = {id(parameter) for parameter in self.encoder.parameters()}
        below = [parameter for parameter in parameters if id(parameter) in inside and parameter.ndim > 1]
        # One from the middle lies in the layers, which every backward pass crosses; it may leave out the pooler.
        watched = below or parameters
        self.parameter = watched[len(watched) // 2]
        self.passes = Passes()
        self.backward = 0
        self.run: int | None = None
        self.under_way = 0

    def __enter__(self) -> Passes:
        self.handles = [
            self.encoder.register_forward_hook(self._after_forward),
            self.parameter.register_post_accumulate_grad_hook(self._after_full_backward),
        ]
        return self.passes

    def __exit__(self, *exception: object) -> None:
        for handle in self.handles:
            handle.remove()
        self.passes.backward_input = self.backward - self.passes.backward_full

    def _after_forward(self, encoder: nn.Module, arguments: tuple, output: Any) -> None:
        self.passes.forward += 1
        last_hidden = output[0]
        if last_hidden.requires_grad:
            last_hidden.register_hook(self._after_backward)

    def _after_backward(self, gradient: Tensor) -> None:
        if self.run != _autograd_run():
            self.run, self.under_way = _autograd_run(), 0
        self.backward += 1
        self.under_way += 1

    def _after_full_backward(self, parameter: Tensor) -> None:
        # A penalty on the parameters alone reaches them without crossing the encoder: no pass.
        if self.run == _autograd_run():
            self.passes.backward_full += self.under_way
            self.under_way = 0


def _autograd_run() -> int:
    """The number of the backward call that is under way, as torch.autograd.graph tells them apart."""
    return torch._C._current_graph_task_id()
