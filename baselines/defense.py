"""The interface of a defense: a frozen set of hyperparameters that yields stages of training.

The loop that runs the stages is `baselines.training.fit`; a defense changes no optimiser and sees no clock.
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from abc import ABC
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from torch import Generator, Tensor, nn
from torch.optim import Optimizer

from baselines.batch import Batch
from baselines.guard import Guard
from baselines.needs import Need
from baselines.settings import changed, plain
from baselines.validation import UserError, require

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Defense", "Passes", "Progress", "Schedule", "Stage", "StageCost", "Step", "discover", "require"]

Step = Callable[[Batch], Tensor]


@dataclass
class Passes:
    """Passes through the encoder, as `fit` counts them.

    Attributes:
        forward: forward passes.
        backward_full: backward passes that left gradients on the trained parameters.
        backward_input: backward passes that gave activation gradients only.
    """

    forward: int = 0
    backward_full: int = 0
    backward_input: int = 0


@dataclass(frozen=True)
class StageCost:
    """What a stage should cost, before any clock has run.

    Attributes:
        name: name of the stage.
        epochs: passes over the training texts.
        passes: passes of one batch through the whole encoder.
        first_layer: passes of one batch through the first layer only.
        heads_pruned, neurons_pruned: shares of the encoder removed in this stage, in [0, 1).
        open_ended: whether a stopping rule decides the length; `epochs` is then the maximum.
    """

    name: str
    epochs: float
    passes: Passes
    first_layer: Passes = field(default_factory=Passes)
    heads_pruned: float = 0.0
    neurons_pruned: float = 0.0
    open_ended: bool = False


@dataclass(frozen=True)
class Progress:
    """The position in a stage after an update.

    Attributes:
        update: updates done in this stage, from 1.
        updates_per_epoch: updates in one pass over the training set.
        total_updates: updates of this stage if nothing ends it early.
        learning_rate: the rate the update was made with.
    """

    update: int
    updates_per_epoch: int
    total_updates: int
    learning_rate: float

    @property
    def epoch(self) -> float:
        """Epochs done in this stage, fractions included."""
        return self.update / self.updates_per_epoch


@dataclass(frozen=True)
class Schedule:
    """The schedule shared by all methods of a table; the fields are those of every `Defense`.

    Attributes:
        epochs, learning_rate, weight_decay, warmup_ratio, max_grad_norm: as in `Defense`.
    """

    epochs: float = 10
    learning_rate: float = 2e-5
    weight_decay: float = 0.01
    warmup_ratio: float = 0.1
    max_grad_norm: float | None = 1.0


class Stateful(Protocol):
    """An object that a step or `after_update` changes; a checkpoint must save its state.

    Parameters, the optimiser and the trace are saved in any case.
    """

    def state(self) -> dict[str, Any]:
        """The whole state as tensors and JSON values."""

    def restore(self, state: dict[str, Any]) -> None:
        """Set the state of a newly made object."""


@dataclass
class Stage:
    """A stretch of training with one objective, one optimiser and one schedule.

    Attributes:
        name: what the stage is called in logs and time tables ("search", "fine_tune").
        step: takes a batch, leaves d objective / d parameters in `.grad` and returns the detached loss, shape ().
        parameters: the parameters that the optimiser updates.
        epochs: length of the stage if nothing ends it.
        learning_rate: peak rate of AdamW; linear to 0 over the schedule.
        weight_decay: decoupled decay of the matrices.
        warmup_ratio: share of the schedule in which the rate rises linearly from 0, in [0, 1).
        max_grad_norm: bound on the global L2 norm of the gradient, or None for no clipping.
        schedule_epochs: horizon of the schedule; None means `epochs`. After it the rate stays 0.
        least_updates: minimum length of the stage and its schedule, however small the data.
        decayed: the parameters that decay; None means the matrices among `parameters`, without biases and LayerNorm
            weights.
        shuffle: whether the texts come in a seeded random order or in stored order.
        replays: how often in a row a batch is given to `step`, each time with its own optimiser update; schedule
            and progress count the batch once.
        after_update: called with the progress after each update; returning True ends the stage.
        trace: what the method writes into the log (numbers, strings and lists of them), filled while the stage runs.
        state: the objects and generators, besides parameters and trace, that `step` and `after_update` change; () for
            none. None means not declared: a killed training then repeats this stage from its start.
        optimizer_reader: called once with the stage's optimiser, the moments of which `step` may read, never change.
        not_capturable_reason: why `step` may not be recorded once and replayed ("its penalty grows from update to
            update"); None if only the batch and random numbers decide what it does; see `baselines.capture`.
    """

    name: str
    step: Step
    parameters: list[nn.Parameter]
    epochs: float
    learning_rate: float
    weight_decay: float = 0.01
    warmup_ratio: float = 0.1
    max_grad_norm: float | None = 1.0
    schedule_epochs: float | None = None
    least_updates: int = 0
    decayed: tuple[nn.Parameter, ...] | None = None
    shuffle: bool = True
    replays: int = 1
    after_update: Callable[[Progress], bool | None] | None = None
    trace: dict[str, Any] = field(default_factory=dict)
    state: Sequence[Stateful | Generator] | None = None
    optimizer_reader: Callable[[Optimizer], None] | None = None
    not_capturable_reason: str | None = None

    def decays(self) -> tuple[nn.Parameter, ...]:
        """The parameters that decay."""
        if self.decayed is not None:
            return self.decayed
        return tuple(parameter for parameter in self.parameters if parameter.ndim > 1)


Wanted = TypeVar("Wanted", bound=Need)


@dataclass(frozen=True, kw_only=True)
class Defense(ABC):
    """A training method, defined by its hyperparameters; printing it shows its configuration.

    A subclass is declared `class FreeLB(Defense, key="freelb")`, is a frozen dataclass, and defines either
    `step(model, batch)` or `stages(model)`. It sets `one_stage` to False if it has several stages, or if its stage
    cannot be part of another method.

    `needs` names what its batches must carry besides tokens; `baselines.needs` lists the possible values. A method that
    needs nothing gets the same batches in the same order as every other method.

    The fields below are the schedule. Its defaults are chosen by this suite and are the same for every method, so that
    a table compares methods and not optimisers; `published` holds the values in which a method's authors differ.

    Attributes:
        epochs: fine-tuning epochs. Source: EarlyRobust trains every method for 10.
        learning_rate: peak rate of AdamW. Source: 2e-5 in most releases used here; EarlyBERT fine-tunes at 4e-5.
        weight_decay: decoupled decay of weight matrices; biases and LayerNorm weights never decay.
        warmup_ratio: share of the schedule with a rising rate, in [0, 1).
        max_grad_norm: bound on the gradient's global L2 norm, or None for no clipping.
    """

    key: ClassVar[str]
    title: ClassVar[str]
    paper: ClassVar[str]
    needs: ClassVar[frozenset[Need]] = frozenset()
    one_stage: ClassVar[bool] = True
    task_settings: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    published: ClassVar[Mapping[str, Any]] = {}

    epochs: float = Schedule.epochs
    learning_rate: float = Schedule.learning_rate
    weight_decay: float = Schedule.weight_decay
    warmup_ratio: float = Schedule.warmup_ratio
    max_grad_norm: float | None = Schedule.max_grad_norm

    def __init_subclass__(cls, key: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if key is not None:
            require(key.isidentifier(), f"the key of {cls.__name__}", "a name such as 'my_defense'", key)
            cls.key = key

    def __post_init__(self) -> None:
        name = type(self).__name__
        require(self.epochs > 0, f"{name}.epochs", "positive", self.epochs)
        require(self.learning_rate > 0, f"{name}.learning_rate", "positive", self.learning_rate)
        require(self.weight_decay >= 0, f"{name}.weight_decay", "0 or more", self.weight_decay)
        require(0 <= self.warmup_ratio < 1, f"{name}.warmup_ratio", "in [0, 1)", self.warmup_ratio)
        for need in self.needs:
            require(isinstance(need, Need), f"each of {name}.needs", "a value of baselines.needs", need)
        bound = self.max_grad_norm
        require(bound is None or bound > 0, f"{name}.max_grad_norm", "positive, or None for no clipping", bound)

    def need(self, kind: type[Wanted]) -> Wanted | None:
        """The element of `needs` of the given kind, or None."""
        return next((need for need in self.needs if isinstance(need, kind)), None)

    @classmethod
    def for_task(cls, task: str) -> Defense:
        """The defense with its source's settings for `task`; the defaults if the source has none for it."""
        return cls().changed(**cls.task_settings.get(task, {}))

    def changed(self, **changes: Any) -> Self:
        """Copy the defense with some hyperparameters changed; those of nested values are given by their own names.

        Raises:
            UserError: for an unknown hyperparameter or an invalid value.
        """
        return changed(self, changes)

    def step(self, model: nn.Module, batch: Batch) -> Tensor:
        """Leave the objective's gradient in `.grad` and return the detached loss, shape ()."""
        raise NotImplementedError(f"{type(self).__name__} defines neither step() nor stages(); define one of them")

    def stages(self, model: nn.Module) -> Iterator[Stage]:
        """The stages in the paper's order; the default is one stage with `step` over all parameters of `model`."""
        yield self.stage("train", lambda batch: self.step(model, batch), list(model.parameters()), state=())

    def update_passes(self) -> Passes | None:
        """Passes of one batch in the last stage, as declared by this defense; None if not declared."""
        return None

    def guard(self, model: nn.Module) -> Guard | None:
        """How the trained model answers a text; None if it answers by one pass, as almost all do."""
        return None

    def answer_passes(self) -> float:
        """The cost of an answer of the trained model, in forward passes."""
        return 1.0

    def certificate_passes(self) -> float:
        """The cost of the certificate of a text, in forward passes; 0 without one."""
        return 0.0

    @property
    def is_guarded(self) -> bool:
        """Whether its models answer through a guard."""
        return type(self).guard is not Defense.guard

    def cost(self) -> tuple[StageCost, ...]:
        """The cost of each stage; the default is one of `epochs` with `update_passes`, or with fine-tuning's passes."""
        return (StageCost("train", self.epochs, self.update_passes() or Passes(1, 1, 0)),)

    def stage(self, name: str, step: Step, parameters: list[nn.Parameter], **changes: Any) -> Stage:
        """A stage with this defense's own schedule; `changes` replace single settings."""
        return Stage(name, step, parameters, **(self.schedule() | changes))

    def schedule(self) -> dict[str, Any]:
        """The hyperparameters that every defense has: length of a stage, optimiser and learning rate."""
        return {each.name: getattr(self, each.name) for each in dataclasses.fields(Defense)}

    def revision(self) -> int:
        """How many corrections have changed the result of the same settings; each changes the stored key."""
        return 0

    def settings(self) -> dict[str, Any]:
        """The hyperparameters as plain JSON values.

        Nested dataclasses become dictionaries. If a nested value is another defense than the field's default, its key
        is stored under "defense".
        """
        return plain(self, whole=True)

    def identity(self) -> dict[str, Any]:
        """The settings that identify this value; those `added_later` are left out at their default."""
        return plain(self, whole=False)


def discover(*packages: ModuleType) -> dict[str, type[Defense]]:
    """Every defense defined in the modules directly inside `packages`, by key, in alphabetical order.

    Raises:
        UserError: if two classes use the same key.
    """
    found: dict[str, type[Defense]] = {}
    for package in packages:
        for module_info in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            if not module_info.ispkg:
                collect(importlib.import_module(module_info.name), found)
    return dict(sorted(found.items()))


def collect(module: ModuleType, found: dict[str, type[Defense]]) -> None:
    """Add to `found` each defense that `module` itself defines with a key."""
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, Defense) and value.__module__ == module.__name__:
            if "key" not in vars(value):
                continue
            if found.setdefault(value.key, value) is not value:
                raise UserError(
                    f"two defenses use the key {value.key!r}: {found[value.key]} and {value}; give one another key"
                )
