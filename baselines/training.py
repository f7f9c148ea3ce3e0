"""The one training loop: run a defense's stages, own the optimiser, report to a timer, count the passes."""

from __future__ import annotations

import copy
import gc
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from baselines.batch import Batch
from baselines.capture import CapturedStep, Graphs
from baselines.checkpointing import Keeper, State, random_state, restore_random_state
from baselines.defense import Defense, Passes, Progress, Stage, Step
from baselines.memory import ran_out_of_memory
from baselines.validation import MachineError, UserError

Precision = Literal["fp32", "tf32", "bf16"]

WARM_UP_UPDATES = 2


class Batches(Protocol):
    """A training set as seeded epochs of batches, the same for every method."""

    updates_per_epoch: int

    def epoch(self, number: int, shuffle: bool = True) -> Iterator[Batch]:
        """The batches of epoch `number`, from 0; only `number` and the set's own seed decide their order."""


class Timer(Protocol):
    """Adds up the time of named spans; time outside every span does not count."""

    def span(self, name: str) -> AbstractContextManager[None]:
        """Time in this span counts as training time of the stage `name`."""

    def copy(self) -> AbstractContextManager[None]:
        """Time in this span counts as copying from CPU to GPU."""

    def state(self) -> State:
        """All readings so far, for a checkpoint."""

    def restore(self, state: State) -> None:
        """Continue from these readings; readings since the timer was made are dropped."""


class NoTimer:
    """A timer that measures nothing."""

    def span(self, name: str) -> AbstractContextManager[None]:
        return nullcontext()

    def copy(self) -> AbstractContextManager[None]:
        return nullcontext()

    def state(self) -> State:
        return {}

    def restore(self, state: State) -> None:
        pass


class Diverged(RuntimeError):
    """The loss became NaN or infinite; the run is recorded as failed, not repeated."""


class Indivisible(MachineError):
    """A stage with batches that cannot be cut into parts was asked to run on parts."""


@dataclass(frozen=True)
class StageLog:
    """What one stage did.

    Attributes:
        name: the stage's name.
        updates: optimiser updates; those on a replayed batch count as one.
        updates_per_epoch: updates in one pass over the training set.
        ended_early: whether `after_update` ended the stage.
        passes: totals over the stage.
        parameters: how many numbers this stage trained.
        losses: one loss per update; for a replayed batch, the last.
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
        """Epochs completed, fractions included."""
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
    keeper: Keeper | None = None,
    most_updates: int | None = None,
    graphs: Graphs | None = None,
    parts: int = 1,
) -> list[StageLog]:
    """Train `model` in place and return a log per stage.

    Stages are timed under their own names, the code between them (setting up, drawing, rewinding) under "set up" and
    "after <stage>". The caller sets the seeds: the loop itself draws no random numbers.

    When resuming from a keeper's states, `model` and the seeds must be as they were at the first start. The method's
    own code between its stages runs again, each stage with a saved state continues from it, and the rest is trained. On
    a CPU the result equals that of an uninterrupted training bit for bit.

    Args:
        on_update: called as on_update(stage, progress) after each update, outside every span.
        keeper: saves checkpoints to resume from; none after the first stage that does not declare its `state`.
        most_updates: upper bound for each stage, for warming up; schedules keep their horizon.
        graphs: records each step once per batch shape, in the span "capture", and replays it; if left out, steps run
            eagerly.
        parts: number of parts into which each batch is cut to save memory. The gradients are averaged, weighted by
            the number of texts, so that an update is still one of the whole batch. What a step draws or compares
            within its batch, and the counted passes, are then those of the parts.
    Raises:
        UserError: if graphs are given and a step cannot be captured or works on parts.
        Diverged: if the loss of an epoch is not finite.
        Indivisible: if a batch is to be replayed in parts; its step then depends on the step before.
        UserError: if a step leaves no gradient on any parameter of its stage.
    """
    if graphs is not None and parts > 1:
        raise UserError(f"a captured step needs whole batches, got {parts} parts per batch; leave out --capture")
    timer = timer or NoTimer()
    with matmul_precision(precision):
        logs: list[StageLog] = []
        stages = defense.stages(model)
        while (stage := _next_stage(stages, timer, logs)) is not None:
            if stage.state is None:
                keeper = None
            run = _Run(stage, model, batches, timer, most_updates, parts)
            if keeper is not None and (state := keeper.load(len(logs))) is not None:
                run.restore(state)
            if not run.finished:
                step = run.step_in(precision)
                if graphs is not None:
                    step = CapturedStep(defense.title, stage, step, run.counter, graphs)
                run.go(step, on_update, keeper, len(logs))
            logs.append(run.log())
        return logs


def warm_up(
    defense: Defense,
    model: nn.Module,
    batches: Batches,
    *,
    precision: Precision = "fp32",
    on_update: Any = None,
    graphs: Graphs | None = None,
    parts: int = 1,
) -> None:
    """Take every stage through a few updates on a copy of the model; nothing else changes, not even the generators."""
    devices = [torch.cuda.current_device()] if next(model.parameters()).is_cuda else []
    how: dict[str, Any] = {"precision": precision, "on_update": on_update, "graphs": graphs, "parts": parts}
    with torch.random.fork_rng(devices), suppress(Diverged):
        fit(defense, copy.deepcopy(model), batches, most_updates=WARM_UP_UPDATES, **how)
    if devices:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def largest_batch(
    defense: Defense,
    new_model: Callable[[], nn.Module],
    longest: Callable[[int], Batches],
    sizes: Iterable[int],
    precision: Precision,
) -> int | None:
    """The first of some batch sizes that fits into memory; None if none does.

    Args:
        new_model: makes the model, untrained.
        longest: makes the batch of that many texts that needs most memory.
        sizes: descending.
    """
    for size in sizes:
        gc.collect()  # free the memory of the last attempt
        try:
            warm_up(defense, new_model(), longest(size), precision=precision)
            return size
        except Exception as error:
            if not ran_out_of_memory(error):
                raise
    return None


@contextmanager
def matmul_precision(precision: Precision) -> Iterator[None]:
    """Multiply float32 matrices in TensorFloat-32 for "tf32", otherwise in full precision, while the block runs."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _next_stage(stages: Iterator[Stage], timer: Timer, logs: list[StageLog]) -> Stage | None:
    """Run the defense's own code up to its next stage; this counts as training time."""
    with timer.span(f"after {logs[-1].name}" if logs else "set up"):
        return next(stages, None)


def planned_updates(stage: Stage, epochs: float, batches: Batches) -> int:
    """Updates in `epochs` epochs of a stage, at least its `least_updates`."""
    return max(1, stage.least_updates, math.floor(epochs * batches.updates_per_epoch))


class _Run:
    """One stage in progress: what it has done and all that decides how it continues."""

    def __init__(
        self, stage: Stage, model: nn.Module, batches: Batches, timer: Timer, most_updates: int | None, parts: int
    ):
        if parts > 1 and stage.replays > 1:
            raise Indivisible(f"the batches of stage {stage.name!r} are replayed and cannot be cut into parts")
        self.stage, self.model, self.batches, self.timer, self.parts = stage, model, batches, timer, parts
        self.total = planned_updates(stage, stage.epochs, batches)
        if most_updates is not None:
            self.total = min(self.total, most_updates)
        horizon = planned_updates(stage, stage.schedule_epochs or stage.epochs, batches)
        self.optimizer = torch.optim.AdamW(_decay_groups(stage), lr=stage.learning_rate, eps=1e-8, fused=True)
        if stage.optimizer_reader is not None:
            stage.optimizer_reader(self.optimizer)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda done: warmup_then_linear(done, horizon, stage.warmup_ratio)
        )
        self.device = stage.parameters[0].device
        self.counter = CountPasses(model, stage.parameters)
        self.losses: list[Tensor] = []
        self.ended = False
        model.train()

    @property
    def finished(self) -> bool:
        """Whether the stage has ended."""
        return self.ended or len(self.losses) == self.total

    def step_in(self, precision: Precision) -> Step:
        """The stage's step in this precision, on the batch's parts."""
        autocast = torch.autocast(self.device.type, torch.bfloat16) if precision == "bf16" else nullcontext()

        def step(batch: Batch) -> Tensor:
            with autocast:
                return self.stage.step(batch) if self.parts == 1 else self.accumulated(batch)

        return step

    def go(self, step: Step, on_update: Any, keeper: Keeper | None, number: int) -> None:
        """Train to the end of the stage; `number` is its index, for the keeper."""
        stage, batches = self.stage, self.batches
        with self.counter:
            for batch in _endless(batches, stage.shuffle, len(self.losses), self.total):
                with self.timer.copy():
                    batch = batch.to(self.device, non_blocking=True)
                if isinstance(step, CapturedStep) and not step.knows(batch):
                    with self.timer.span("capture"):
                        step.record(batch)
                rate = self.schedule.get_last_lr()[0]
                with self.timer.span(stage.name):
                    for _ in range(stage.replays):
                        loss = step(batch)
                        if all(parameter.grad is None for parameter in stage.parameters):
                            raise UserError(
                                f"the step of stage {stage.name!r} left no gradient on its parameters, and would train "
                                f"nothing; call backward() on its loss before it returns the detached loss"
                            )
                        if stage.max_grad_norm is not None:
                            nn.utils.clip_grad_norm_(stage.parameters, stage.max_grad_norm)
                        self.optimizer.step()
                        self.optimizer.zero_grad(set_to_none=True)
                    self.losses.append(loss)
                    self.schedule.step()
                    progress = Progress(len(self.losses), batches.updates_per_epoch, self.total, rate)
                    if stage.after_update is not None:
                        self.ended = bool(stage.after_update(progress))
                if keeper is not None and (self.finished or keeper.due(progress)):
                    keeper.save(number, self.state())
                if on_update is not None:
                    on_update(stage, progress)
                if self.ended:
                    break
                if len(self.losses) % batches.updates_per_epoch == 0:
                    _refuse_divergence(stage, self.losses)

    def accumulated(self, batch: Batch) -> Tensor:
        """Run the step on one part of the batch after another; leave the mean gradient, return the mean loss, ()."""
        sums: list[Tensor | None] = [None] * len(self.stage.parameters)
        total = torch.zeros((), device=self.device)
        for part in batch.parts(self.parts):
            share = len(part) / len(batch)
            total += share * self.stage.step(part)
            for place, parameter in enumerate(self.stage.parameters):
                if parameter.grad is not None:
                    so_far = sums[place]
                    sums[place] = share * parameter.grad if so_far is None else so_far.add_(parameter.grad, alpha=share)
                    parameter.grad = None
        for parameter, gradient in zip(self.stage.parameters, sums, strict=True):
            parameter.grad = gradient
        return total

    def state(self) -> State:
        """Everything a fresh run needs to continue from here; a finished stage no longer needs its optimiser."""
        mine = {id(parameter) for parameter in self.model.parameters()}
        return {
            "finished": self.finished,
            "ended": self.ended,
            "losses": torch.stack(self.losses),
            "model": self.model.state_dict(),
            "others": [parameter for parameter in self.stage.parameters if id(parameter) not in mine],
            "gradients": {n: p.grad for n, p in self.model.named_parameters() if p.grad is not None},
            "optimizer": None if self.finished else self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "passes": self.counter.state(),
            "trace": self.stage.trace,
            "memory": [_state_of(each) for each in self.stage.state or ()],
            "random": random_state(self.device),
            "timer": self.timer.state(),
        }

    def restore(self, state: State) -> None:
        """Continue from this state."""
        self.ended = state["ended"]
        self.losses = list(state["losses"].to(self.device))
        self.model.load_state_dict(state["model"])
        mine = {id(parameter) for parameter in self.model.parameters()}
        others = [parameter for parameter in self.stage.parameters if id(parameter) not in mine]
        with torch.no_grad():
            for parameter, value in zip(others, state["others"], strict=True):
                parameter.copy_(value)
        for name, parameter in self.model.named_parameters():
            gradient = state["gradients"].get(name)
            parameter.grad = None if gradient is None else gradient.to(parameter.device)
        if state["optimizer"] is not None:
            moments = {int(number): each for number, each in state["optimizer"]["state"].items()}
            self.optimizer.load_state_dict(state["optimizer"] | {"state": moments})
            self.schedule.load_state_dict(state["schedule"])
        self.counter.restore(state["passes"])
        self.stage.trace.clear()
        self.stage.trace.update(state["trace"])
        for each, saved in zip(self.stage.state or (), state["memory"], strict=True):
            if isinstance(each, torch.Generator):
                each.set_state(saved)
            else:
                each.restore(saved)
        restore_random_state(state["random"], self.device)
        self.timer.restore(state["timer"])

    def log(self) -> StageLog:
        """What the stage did."""
        values = _refuse_divergence(self.stage, self.losses)
        return StageLog(
            name=self.stage.name,
            updates=len(self.losses),
            updates_per_epoch=self.batches.updates_per_epoch,
            ended_early=self.ended,
            passes=self.counter.passes,
            parameters=sum(parameter.numel() for parameter in self.stage.parameters),
            losses=values,
            trace=self.stage.trace,
        )


def _state_of(each: Any) -> Any:
    return each.get_state() if isinstance(each, torch.Generator) else each.state()


def warmup_then_linear(done: int, horizon: int, warmup_ratio: float) -> float:
    """The schedule's factor for update `done` + 1: rises in the warm-up, then falls linearly to 0 at `horizon`."""
    warmup = round(warmup_ratio * horizon)
    if done < warmup:
        return done / warmup
    return max(0.0, (horizon - done) / max(1, horizon - warmup))


def _decay_groups(stage: Stage) -> list[dict[str, Any]]:
    """The optimiser's groups of parameters: with weight decay, and without."""
    chosen = {id(parameter) for parameter in stage.decays()}
    decayed = [parameter for parameter in stage.parameters if id(parameter) in chosen]
    others = [parameter for parameter in stage.parameters if id(parameter) not in chosen]
    groups = [{"params": decayed, "weight_decay": stage.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def _endless(batches: Batches, shuffle: bool, done: int, total: int) -> Iterator[Batch]:
    """Batches number `done` to `total` of the epochs 0, 1, 2, ... in a row."""
    while done < total:
        number, skipped = divmod(done, batches.updates_per_epoch)
        for batch in islice(batches.epoch(number, shuffle), skipped, skipped + total - done):
            yield batch
            done += 1


def _refuse_divergence(stage: Stage, losses: list[Tensor]) -> list[float]:
    """Read all losses as numbers, at once; this does not count as training time."""
    values = torch.stack(losses).float().cpu().tolist()
    for update, value in enumerate(values, start=1):
        if not math.isfinite(value):
            raise Diverged(f"the loss of stage {stage.name!r} is {value} at update {update}")
    return values


class CountPasses:
    """Counts passes through a model's encoder while it is entered.

    A forward pass is a call of the encoder. A backward pass is a gradient that arrives at the encoder's output. It is
    full if that run of autograd accumulated a gradient on a trained parameter below, otherwise an input pass. One run
    through the graphs of two forward passes is two backward passes.
    """

    def __init__(self, model: nn.Module, parameters: list[nn.Parameter]):
        self.encoder: nn.Module = getattr(model, "base_model", model)
        inside = {id(parameter) for parameter in self.encoder.parameters()}
        below = [parameter for parameter in parameters if id(parameter) in inside and parameter.ndim > 1]
        # A parameter from the middle lies in the layers, which every backward pass crosses; it may skip the pooler.
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

    def state(self) -> State:
        """The counts so far."""
        self.passes.backward_input = self.backward - self.passes.backward_full
        return asdict(self.passes) | {"backward": self.backward}

    def restore(self, state: State) -> None:
        """Continue counting from there, in the same `Passes` object."""
        for name in vars(self.passes):
            setattr(self.passes, name, state[name])
        self.backward = state["backward"]

    def _after_forward(self, encoder: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
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
        # A penalty on the parameters alone reaches them without crossing the encoder: it is no pass.
        if self.run == _autograd_run():
            self.passes.backward_full += self.under_way
            self.under_way = 0


def _autograd_run() -> int:
    """The id of the current backward call, as torch.autograd.graph gives it."""
    return torch._C._current_graph_task_id()
