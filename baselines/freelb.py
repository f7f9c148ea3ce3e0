"""FreeLB: accumulate gradients over every point of the ascent."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from baselines.batch import Batch
from baselines.defense import Defense, Passes
from baselines.primitives.perturbation import Ascent, DropoutMode, DropoutReplay, embed, forward
from baselines.settings import inlined
from baselines.validation import require


@dataclass(frozen=True, kw_only=True)
class FreeLB(Defense, key="freelb"):
    """Minimise the mean loss over K points of a gradient ascent; there is no separate clean pass.

    Attributes:
        ascent: K `steps` are loss evaluations per update; the perturbation moves K - 1 times.
        dropout: "shared" masks over the K passes, as in the paper, or "fresh" ones, as in ports to BERT.

    Source: Zhu et al., ICLR 2020; values for BERT-base from RockyLzy/TextDefender (5, 0.03, 0.05, unbounded).
    """

    title = "FreeLB"
    paper = "Zhu et al., ICLR 2020, arXiv:1909.11764"

    ascent: Ascent = inlined(Ascent(steps=5, step_size=0.03, init_magnitude=0.05))
    dropout: DropoutMode = "shared"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.ascent.steps >= 1, "FreeLB.steps", "1 or more", self.ascent.steps)

    def update_passes(self) -> Passes:
        """K forward and K full backward passes."""
        return Passes(self.ascent.steps, self.ascent.steps, 0)

    def step(self, model: nn.Module, batch: Batch) -> Tensor:
        """K forward and K full backward passes: 3K cost units."""
        ascent = self.ascent.scaled_to(model)
        delta = ascent.start(embed(model, batch).detach(), batch.attention_mask)
        replay = DropoutReplay(self.dropout, delta.device)
        total = delta.new_zeros(())
        for number in range(self.ascent.steps):
            delta.requires_grad_()
            replay.rewind()
            logits = forward(model, embed(model, batch) + delta, batch).logits
            loss = cross_entropy(logits, batch.labels) / self.ascent.steps
            loss.backward()
            total = total + loss.detach()
            if number < self.ascent.steps - 1:
                delta = ascent.climb(delta, delta.grad, batch.attention_mask)
        return total
