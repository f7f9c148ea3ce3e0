"""Flooding-X: keep the training loss from falling below a level, so that the model does not overfit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from baselines.batch import Batch
from baselines.defense import Defense, Passes, Progress, Stage, StageCost
from baselines.fine_tune import FineTune
from baselines.primitives.perturbation import SMALLEST_NORM
from baselines.primitives.substitution import dropout_off
from baselines.validation import require

RELEASED_LEVEL = 0.025


@dataclass(frozen=True, kw_only=True)
class FloodingX(Defense, key="flooding_x"):
    """Descend where a batch's loss is above the flood level, ascend where it is below.

    The level is the training loss at which plain fine-tuning begins to overfit: there the gradients of different
    batches stop pointing the same way. Fine-tuning runs once to find it, is rewound, and runs again with the level.

    Attributes:
        level: b, the flood level, positive. "accordance" is the mean training loss of the first epoch of plain
            fine-tuning after which the mean cosine of the gradients of some batches is below 0; of the last epoch if
            there is none.
        probe_batches: S, batches that are compared after an epoch: its first ones.

    Source: Liu et al., ACL 2022; qinliu9/Flooding-X, train/run_flood.py, which trains on |loss - b| + b at a fixed
    level of 0.025. No file of the release computes the accordance: the criterion here is written from the paper's
    idea, and S is this suite's. `FloodingX.released()` has the fixed level.
    """

    title = "Flooding-X"
    paper = "Liu et al., ACL 2022"
    one_stage = False  # it trains twice to find its level
    published = {"max_grad_norm": None}

    level: float | Literal["accordance"] = "accordance"
    probe_batches: int = 8

    @classmethod
    def released(cls, **changes: Any) -> FloodingX:
        """The fixed level of the release's script."""
        return cls(**{"level": RELEASED_LEVEL, "max_grad_norm": None, **changes})

    def __post_init__(self) -> None:
        super().__post_init__()
        allowed = "positive, or 'accordance'"
        require(self.level == "accordance" or self.level > 0, "FloodingX.level", allowed, self.level)
        require(self.probe_batches >= 2, "FloodingX.probe_batches", "2 or more", self.probe_batches)

    def update_passes(self) -> Passes:
        """One forward and one full backward pass."""
        return Passes(1, 1, 0)

    def cost(self) -> tuple[StageCost, ...]:
        """That of fine-tuning; the search for the level costs as much again for each of its epochs.

        The search also makes `probe_batches` forward and full backward passes an epoch, which are not counted here.
        """
        search = StageCost("search", self.epochs, Passes(1, 1, 0), open_ended=True)
        train = StageCost("train", self.epochs, Passes(1, 1, 0))
        return (search, train) if self.level == "accordance" else (train,)

    def stages(self, model: nn.Module) -> Iterator[Stage]:
        """Fine-tune until the gradients disagree and rewind, if the level is not given; then train with the level."""
        level, trace = self.level, {}
        if level == "accordance":
            initial = {name: value.clone() for name, value in model.state_dict().items()}
            search = _LevelSearch(model, self.probe_batches)
            yield self.stage(
                "search",
                search.step,
                list(model.parameters()),
                after_update=search.observe,
                trace=search.trace,
                state=(search,),
                not_capturable_reason="its search keeps the first batches of each epoch",
            )
            level = search.level
            model.load_state_dict(initial)
            trace = {"level": level}
        yield self.stage(
            "train", lambda batch: flooded_step(model, batch, level), list(model.parameters()), trace=trace, state=()
        )


def flooded_step(model: nn.Module, batch: Batch, level: float) -> Tensor:
    """One forward and one full backward pass on |loss - level| + level: 3 cost units."""
    loss = cross_entropy(model(**batch.inputs()).logits, batch.labels)
    flooded = (loss - level).abs() + level
    flooded.backward()
    return flooded.detach()


class _LevelSearch:
    """Plain fine-tuning that compares the gradients of each epoch's first batches at its end.

    Attributes:
        level: the mean training loss of the newest epoch.
        trace: the mean loss and the accordance of every epoch.
    """

    def __init__(self, model: nn.Module, batches: int):
        self.model, self.batches = model, batches
        self.level = 0.0
        self.trace: dict[str, Any] = {"epochs": []}
        self._kept: list[Batch] = []
        self._losses: list[Tensor] = []

    def step(self, batch: Batch) -> Tensor:
        """Fine-tuning's step."""
        if len(self._kept) < self.batches:
            self._kept.append(batch)
        self._losses.append(FineTune().step(self.model, batch))
        return self._losses[-1]

    def observe(self, progress: Progress) -> bool:
        """At the end of an epoch, note its loss and accordance; True ends the search."""
        if progress.update % progress.updates_per_epoch and progress.update < progress.total_updates:
            return False
        self.level = float(torch.stack(self._losses).mean())
        agreed = accordance(self.model, self._kept)
        self.trace["epochs"].append({"loss": self.level, "accordance": agreed})
        self._kept, self._losses = [], []
        return agreed < 0

    def state(self) -> dict[str, Any]:
        """The level, and the batches and losses of the epoch in progress."""
        return {"level": self.level, "kept": [vars(batch) for batch in self._kept], "losses": self._losses}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from there."""
        device = next(self.model.parameters()).device
        self.level = state["level"]
        self._kept = [Batch(**values).to(device) for values in state["kept"]]
        self._losses = [loss.to(device) for loss in state["losses"]]


def accordance(model: nn.Module, batches: Sequence[Batch]) -> float:
    """Mean cosine of the gradients of each two batches, without dropout, in [-1, 1]; 1 for a single batch.

    With unit gradients u of S batches it is (|sum u|^2 - S) / (S (S - 1)).
    """
    if len(batches) < 2:
        return 1.0
    parameters = list(model.parameters())
    total = [torch.zeros_like(parameter) for parameter in parameters]
    with dropout_off(model):
        for batch in batches:
            loss = cross_entropy(model(**batch.inputs()).logits, batch.labels)
            gradient = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
            size = _norm(gradient).clamp(min=SMALLEST_NORM)
            torch._foreach_add_(total, [each / size for each in gradient])
    count = len(batches)
    return float((_norm(total).square() - count) / (count * (count - 1)))


def _norm(tensors: Sequence[Tensor]) -> Tensor:
    """The L2 norm over all tensors, ()."""
    return torch.stack([each.norm() for each in tensors]).norm()
