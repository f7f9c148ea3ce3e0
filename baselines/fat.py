"""FAT: single-step adversarial training that starts each text from the direction of its last perturbation."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad

from baselines.batch import Batch
from baselines.defense import Defense, Passes, Progress, Stage, StageCost
from baselines.needs import Identity
from baselines.primitives.perturbation import SMALLEST_NORM, Ascent, DropoutMode, DropoutReplay, embed, forward
from baselines.settings import inlined
from baselines.validation import UserError, require

LARGEST_BYTE = 127


@dataclass(frozen=True, kw_only=True)
class FAT(Defense, key="fat"):
    """Take one ascent step from a start with the signs of the text's last ascent, and minimise the loss there.

    The ascents of one text resemble each other from epoch to epoch, so that one step from a good start does the work
    of several. In the first epoch the start is random.

    Attributes:
        ascent: K `steps` per update from that start.
        interval: I; only every I-th epoch has ascents. The other epochs train on the texts with the ascents that they
            remember.
        dropout: "shared" masks over the K + 1 passes, or "fresh" ones, as in the release.
        ascent_backward: "input" computes the perturbation's gradient only; "full" also computes the parameters'
            gradients and discards them, as the release does: the same result at a higher cost.

    Source: Yang et al., Findings of NAACL 2025; JHL-HUST/FAT, run_fat.sh: K = 1, step 0.2, start 0.05, I = 1.
    `FAT.released()` has its 30 epochs, too.
    Departures: the release's rate rises for 500 updates. The release keeps each text's ascent in full precision. Here,
    with I = 1, one bit a number is kept, since only signs are read; otherwise a byte, with a scale per token.
    """

    title = "FAT"
    paper = "Yang et al., Findings of NAACL 2025, arXiv:2401.12461"
    needs = frozenset({Identity()})
    published = {"weight_decay": 1e-6}

    ascent: Ascent = inlined(Ascent(steps=1, step_size=0.2, init_magnitude=0.05))
    interval: int = 1
    dropout: DropoutMode = "shared"
    ascent_backward: Literal["input", "full"] = "input"

    @classmethod
    def released(cls, **changes: Any) -> FAT:
        """The settings of the release's script, but for its warm-up."""
        return cls(**{"epochs": 30, "weight_decay": 1e-6, "dropout": "fresh", "ascent_backward": "full", **changes})

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.ascent.steps >= 1, "FAT.steps", "1 or more", self.ascent.steps)
        require(self.interval >= 1, "FAT.interval", "1 or more", self.interval)

    @property
    def ascent_passes(self) -> Passes:
        """K + 1 forward passes, one full backward pass at the end and K backward passes in the ascent."""
        full, alone = (self.ascent.steps, 0) if self.ascent_backward == "full" else (0, self.ascent.steps)
        return Passes(self.ascent.steps + 1, full + 1, alone)

    def update_passes(self) -> Passes | None:
        """Those of an update with an ascent, if all have one."""
        return self.ascent_passes if self.interval == 1 else None

    def cost(self) -> tuple[StageCost, ...]:
        """The epochs with ascents; the others cost what fine-tuning does."""
        climbing = min(self.epochs, math.ceil(self.epochs / self.interval))
        climbed = StageCost("train", climbing, self.ascent_passes)
        remembered = StageCost("train from memory", self.epochs - climbing, Passes(1, 1, 0))
        return (climbed,) if self.interval == 1 else (remembered, climbed)

    def stages(self, model: nn.Module) -> Iterator[Stage]:
        """One stage; the texts' ascents are then discarded."""
        scaled = replace(self, ascent=self.ascent.scaled_to(model))
        history = _History(_Signs() if self.interval == 1 else _Bytes(), next(model.parameters()).device)
        yield self.stage(
            "train",
            lambda batch: scaled.objective(model, batch, history),
            list(model.parameters()),
            after_update=history.observe,
            state=(history,),
            not_capturable_reason="it keeps the perturbation of each text from epoch to epoch",
        )

    def objective(self, model: nn.Module, batch: Batch, history: _History) -> Tensor:
        """With an ascent K + 1 forward, K input and 1 full backward passes: 2K + 3 cost units, 5 at K = 1."""
        replay = DropoutReplay(self.dropout, batch.labels.device)
        if history.epoch % self.interval == 0:
            start = self.start(model, batch, history)
            delta = self.climbed(model, batch, start, replay)
            history.kept.write(batch, delta - start)
        else:
            delta = history.kept.read(batch)
        replay.rewind()
        loss = cross_entropy(forward(model, embed(model, batch) + delta, batch).logits, batch.labels)
        loss.backward()
        return loss.detach()

    def start(self, model: nn.Module, batch: Batch, history: _History) -> Tensor:
        """Uniform noise (B, L, D): in (-1, 1) in the first epoch, then in (0, 1) with the signs of the last ascent."""
        noise = self.ascent.start(embed(model, batch).detach(), batch.attention_mask)
        return noise if history.epoch == 0 else noise.abs() * history.kept.read(batch).sign()

    def climbed(self, model: nn.Module, batch: Batch, delta: Tensor, replay: DropoutReplay) -> Tensor:
        """The end of an ascent of K steps from `delta`, both (B, L, D)."""
        fixed = embed(model, batch).detach()
        for _ in range(self.ascent.steps):
            delta = delta.detach().requires_grad_()
            replay.rewind()
            loss = cross_entropy(forward(model, fixed + delta, batch).logits, batch.labels)
            if self.ascent_backward == "input":
                (grad,) = torch.autograd.grad(loss, delta)
            else:
                loss.backward()
                grad = delta.grad  # type: ignore[assignment]
                for parameter in model.parameters():
                    parameter.grad = None
            delta = self.ascent.climb(delta, grad, batch.attention_mask)
        return delta


class _History:
    """The number of the epoch, from 0, and the last ascent of each text."""

    def __init__(self, kept: _Signs | _Bytes, device: torch.device):
        self.kept, self.device, self.epoch = kept, device, 0

    def observe(self, progress: Progress) -> None:
        """Count the epochs."""
        self.epoch = progress.update // progress.updates_per_epoch

    def state(self) -> dict[str, Any]:
        """The epoch and what is kept."""
        return {"epoch": self.epoch, "kept": vars(self.kept)}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore both."""
        self.epoch = state["epoch"]
        for name, value in state["kept"].items():
            setattr(self.kept, name, value.to(self.device) if isinstance(value, Tensor) else value)


class _Signs:
    """The signs of D numbers for each token of the training set, a bit each; zero counts as positive.

    Attributes:
        table: (tokens of the training set + 1, D / 8) uint8; the last row is that of padding. None before the first
            write.
        width: D.
    """

    def __init__(self) -> None:
        self.table: Tensor | None = None
        self.width = 0

    def write(self, batch: Batch, values: Tensor) -> None:
        """Keep the signs of values (B, L, D)."""
        places, self.width = _places(batch).flatten(), values.shape[-1]
        bits = pad((values >= 0).to(torch.uint8), (0, -self.width % 8)).unflatten(-1, (-1, 8))
        packed = (bits << _shifts(bits)).sum(-1, dtype=torch.uint8)  # (B, L, D / 8)
        if self.table is None:
            self.table = packed.new_zeros(_rows(batch), packed.shape[-1])
        self.table.index_copy_(0, places, packed.flatten(0, 1))

    def read(self, batch: Batch) -> Tensor:
        """Signs (B, L, D): 1 or -1 on real tokens, 0 on padding."""
        assert self.table is not None, "the first epoch has ascents"
        packed = self.table[_places(batch)].unsqueeze(-1)  # (B, L, D / 8, 1)
        bits = ((packed >> _shifts(packed)) & 1).flatten(-2)[..., : self.width]
        return (2.0 * bits - 1.0) * batch.attention_mask.unsqueeze(-1)


class _Bytes:
    """D numbers for each token of the training set, a byte each, with a scale per token.

    Attributes:
        table: (tokens of the training set + 1, D) int8; the last row is that of padding. None before the first write.
        scale: (tokens of the training set + 1, 1).
    """

    def __init__(self) -> None:
        self.table: Tensor | None = None
        self.scale: Tensor | None = None

    def write(self, batch: Batch, values: Tensor) -> None:
        """Keep values (B, L, D), to a 254th of a token's largest."""
        places = _places(batch).flatten()
        scale = values.abs().amax(-1, keepdim=True) / LARGEST_BYTE  # (B, L, 1)
        table = (values / scale.clamp(min=SMALLEST_NORM)).round().to(torch.int8)
        if self.table is None or self.scale is None:
            self.table = table.new_zeros(_rows(batch), table.shape[-1])
            self.scale = scale.new_zeros(_rows(batch), 1)
        self.table.index_copy_(0, places, table.flatten(0, 1))
        self.scale.index_copy_(0, places, scale.flatten(0, 1))

    def read(self, batch: Batch) -> Tensor:
        """Values (B, L, D), zero on padding."""
        assert self.table is not None and self.scale is not None, "the first epoch has ascents"
        places = _places(batch)
        return self.table[places] * self.scale[places] * batch.attention_mask.unsqueeze(-1)


def _shifts(bytes_: Tensor) -> Tensor:
    """The places of a byte's bits, (8,) uint8."""
    return torch.arange(8, dtype=torch.uint8, device=bytes_.device)


def _places(batch: Batch) -> Tensor:
    """The places of a batch's tokens in the training set, (B, L).

    Raises:
        UserError: if the batch does not name them.
    """
    if batch.places is None:
        raise UserError("FAT needs batches that name the places of their tokens in the training set, got one without")
    return batch.places


def _rows(batch: Batch) -> int:
    """Tokens of the training set, and one for padding."""
    assert batch.training_tokens is not None, "it comes with the places"
    return batch.training_tokens + 1
