"""SAM and ASAM: minimise the loss at the worst weights nearby, a control that perturbs weights instead of texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from baselines.batch import Batch
from baselines.defense import Defense, Passes
from baselines.primitives.perturbation import SMALLEST_NORM, DropoutMode, DropoutReplay
from baselines.validation import require

RADIUS, ADAPTIVE_RADIUS = 0.05, 0.5  # rho of SAM and of ASAM
LEAST_SCALE = 0.01  # eta of ASAM, added to the weights' absolute values


@dataclass(frozen=True, kw_only=True)
class SAM(Defense, key="sam"):
    """Climb one step in the space of the weights, then use the gradient found there for the update.

    A method that perturbs texts also flattens the loss around the weights. This control shows how much of its
    robustness comes from that alone.

    Attributes:
        radius: rho, the L2 norm of the weights' perturbation; under `adaptive` the norm relative to the weights' sizes.
            None takes the papers' values: 0.05, and 0.5 if `adaptive`.
        adaptive: whether each weight's step is scaled by its own size, as in ASAM (Kwon et al., ICML 2021).
        dropout: "shared" masks, so that both passes belong to one network, or "fresh" ones in each pass.

    Source: Foret et al., ICLR 2021, Algorithm 1, with rho = 0.05; Kwon et al., ICML 2021, with rho = 0.5, eta = 0.01.
    """

    title = "SAM"
    paper = "Foret et al., ICLR 2021, arXiv:2010.01412"

    radius: float | None = None
    adaptive: bool = False
    dropout: DropoutMode = "shared"

    def __post_init__(self) -> None:
        super().__post_init__()
        allowed = "positive, or None for the papers' values"
        require(self.radius is None or self.radius > 0, "SAM.radius", allowed, self.radius)

    def update_passes(self) -> Passes:
        """Two forward and two full backward passes."""
        return Passes(2, 2, 0)

    def step(self, model: nn.Module, batch: Batch) -> Tensor:
        """Two forward and two full backward passes: 6 cost units."""
        weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        replay = DropoutReplay(self.dropout, batch.labels.device)
        replay.rewind()
        here = cross_entropy(model(**batch.inputs()).logits, batch.labels)
        here.backward(inputs=list(weights.values()))
        shifts = self.shifts(weights)
        for weight in weights.values():
            weight.grad = None
        replay.rewind()
        shifted = {name: weight + shifts[name] for name, weight in weights.items()}
        loss = cross_entropy(functional_call(model, shifted, kwargs=batch.inputs()).logits, batch.labels)
        loss.backward()
        return loss.detach()

    @torch.no_grad()
    def shifts(self, weights: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
        """The step to the worst weights, by name, from the weights' gradients g.

        SAM: rho g / ||g||. ASAM, with T = |w| + eta: rho T^2 g / ||T g||. The norms are over all weights.
        """
        gradients = {name: weight.grad for name, weight in weights.items() if weight.grad is not None}
        scales = {name: weights[name].abs() + LEAST_SCALE if self.adaptive else 1.0 for name in gradients}
        scaled = {name: scales[name] * gradient for name, gradient in gradients.items()}
        norm = torch.stack([each.norm() for each in scaled.values()]).norm().clamp(min=SMALLEST_NORM)
        radius = self.radius or (ADAPTIVE_RADIUS if self.adaptive else RADIUS)
        found = {name: radius / norm * scales[name] * each for name, each in scaled.items()}
        return {name: found.get(name, torch.zeros_like(weight)) for name, weight in weights.items()}
