"""FreeLB on low-rank layers: adversarial training of a few weights, a control for what training all of them adds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from baselines.defense import Defense, Passes, Stage, StageCost
from baselines.freelb import FreeLB
from baselines.primitives.encoders import layers_of
from baselines.primitives.perturbation import Ascent, DropoutMode
from baselines.settings import inlined
from baselines.validation import require

ADAPTED = (0, 2)  # query and value


@dataclass(frozen=True, kw_only=True)
class LoraFreeLB(Defense, key="lora_freelb"):
    """Train a low-rank addition to the query and value weights, and the head, under FreeLB; the rest is frozen.

    After the training the additions are merged: the model has its usual weights.

    Attributes:
        rank: r, rank of each addition.
        alpha: the product of the two factors is multiplied by alpha / r.
        ascent: as in FreeLB: K `steps` are loss evaluations per update; the perturbation moves K - 1 times.
        dropout: as in FreeLB.

    Source: Hu et al., ICLR 2022, with r = 8 on query and value as for RoBERTa-base; FreeLB is Zhu et al., ICLR 2020.
    Departures: the additions have no dropout. The shared schedule's rate is lower than LoRA's usual 5e-4
    (`published`).
    """

    title = "FreeLB on LoRA"
    paper = "Hu et al., ICLR 2022, arXiv:2106.09685"
    one_stage = False  # its stage trains layers that are merged when it ends
    published = {"learning_rate": 5e-4}

    rank: int = 8
    alpha: float = 8.0
    ascent: Ascent = inlined(Ascent(steps=5, step_size=0.03, init_magnitude=0.05))
    dropout: DropoutMode = "shared"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.rank >= 1, "LoraFreeLB.rank", "1 or more", self.rank)
        require(self.alpha > 0, "LoraFreeLB.alpha", "positive", self.alpha)
        _ = self.freelb

    @property
    def freelb(self) -> FreeLB:
        """FreeLB with these settings."""
        return FreeLB(ascent=self.ascent, dropout=self.dropout)

    def update_passes(self) -> Passes:
        """K forward and K full backward passes, as for FreeLB."""
        return self.freelb.update_passes()

    def cost(self) -> tuple[StageCost, ...]:
        """A backward pass costs about what an input pass does: frozen weights need no gradient of their own."""
        return (StageCost("train", self.epochs, Passes(self.ascent.steps, 0, self.ascent.steps)),)

    def stages(self, model: nn.Module) -> Iterator[Stage]:
        """One stage on the additions and the head."""
        encoder: nn.Module = model.base_model  # type: ignore[assignment]
        was_trainable = {parameter: parameter.requires_grad for parameter in model.parameters()}
        encoder.requires_grad_(False)
        adapted = [layer.projection(number) for layer in layers_of(model) for number in ADAPTED]
        for linear, rows in adapted:
            addition = _LowRank(linear.weight, rows, self.rank, self.alpha / self.rank)
            parametrize.register_parametrization(linear, "weight", addition)
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        yield self.stage("train", lambda batch: self.freelb.step(model, batch), trained, state=())
        for linear in dict.fromkeys(linear for linear, _ in adapted):
            parametrize.remove_parametrizations(linear, "weight", leave_parametrized=True)
        for parameter, flag in was_trainable.items():
            parameter.requires_grad_(flag)


class _LowRank(nn.Module):
    """A weight with a scaled product of two thin matrices added to some rows; the product starts at zero."""

    def __init__(self, weight: Tensor, rows: slice, rank: int, scale: float):
        super().__init__()
        outputs, inputs = weight[rows].shape
        self.rows, self.scale = rows, scale
        self.down = nn.Parameter(weight.new_empty(rank, inputs))  # A (r, inputs)
        self.up = nn.Parameter(weight.new_zeros(outputs, rank))  # B (outputs, r)
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        changed = torch.addmm(weight[self.rows], self.up, self.down, alpha=self.scale)
        return torch.slice_scatter(weight, changed, 0, self.rows.start, self.rows.stop)
