"""PGD on word embeddings: train on the end point of an ascent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from baselines.batch import Batch
from baselines.defense import Defense, Passes
from baselines.primitives.perturbation import Ascent, DropoutMode, DropoutReplay, embed, forward
from baselines.settings import inlined


@dataclass(frozen=True, kw_only=True)
class PGD(Defense, key="pgd"):
    """Climb K steps along the gradient of the perturbation, then minimise the loss at the point reached.

    Attributes:
        ascent: K `steps` per update; 0 trains on the random start.
        dropout: "shared" masks over the K + 1 passes, or "fresh" ones (TextDefender).
        ascent_backward: "input" computes the perturbation's gradient only; "full" also computes the parameters'
            gradients and discards them, as TextDefender does: the same result at a higher cost.

    Source: Madry et al., ICLR 2018, on embeddings as Miyato et al., ICLR 2017; values from RockyLzy/TextDefender.
    """

    title = "PGD"
    paper = "Madry et al., ICLR 2018, arXiv:1706.06083"
    published = {"weight_decay": 1e-6, "warmup_ratio": 0.0}  # TextDefender's; its rate falls by a cosine

    ascent: Ascent = inlined(Ascent(steps=5, step_size=0.03, init_magnitude=0.05))
    dropout: DropoutMode = "shared"
    ascent_backward: Literal["input", "full"] = "input"

    def update_passes(self) -> Passes:
        """K + 1 forward passes, one full backward pass at the end and K backward passes in the ascent."""
        full, alone = (self.ascent.steps, 0) if self.ascent_backward == "full" else (0, self.ascent.steps)
        return Passes(self.ascent.steps + 1, full + 1, alone)

    def step(self, model: nn.Module, batch: Batch) -> Tensor:
        """K + 1 forward, K input and 1 full backward passes: 2K + 3 cost units."""
        fixed = embed(model, batch).detach()
        ascent = self.ascent.scaled_to(model)
        delta = ascent.start(fixed, batch.attention_mask)
        replay = DropoutReplay(self.dropout, delta.device)
        for _ in range(self.ascent.steps):
            delta.requires_grad_()
            replay.rewind()
            loss = cross_entropy(forward(model, fixed + delta, batch).logits, batch.labels)
            delta = ascent.climb(delta, self._gradient(model, loss, delta), batch.attention_mask)
        replay.rewind()
        loss = cross_entropy(forward(model, embed(model, batch) + delta, batch).logits, batch.labels)
        loss.backward()
        return loss.detach()

    def _gradient(self, model: nn.Module, loss: Tensor, delta: Tensor) -> Tensor:
        """d loss / d delta, (B, L, D); the parameters' gradients are empty before and after."""
        if self.ascent_backward == "input":
            return torch.autograd.grad(loss, delta)[0]
        loss.backward()
        for parameter in model.parameters():
            parameter.grad = None
        return delta.grad  # type: ignore[return-value]
