"""R3F: predictions that a little random noise does not change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from baselines.batch import Batch
from baselines.defense import Defense, Passes
from baselines.primitives.divergence import divergence
from baselines.primitives.perturbation import DropoutMode, DropoutReplay, embed, forward
from baselines.validation import require


@dataclass(frozen=True, kw_only=True)
class R3F(Defense, key="r3f"):
    """Cross-entropy on the text plus the distance of its prediction from that under random noise; there is no ascent.

    The distance of two predictions is KL(P||Q) + KL(Q||P), with a gradient through both. The noise carries none to the
    word embeddings of the noisy text.

    Attributes:
        radius: epsilon, the bound of the uniform noise or the standard deviation of the normal one.
        noise: distribution of the noise's entries: "uniform" or "normal".
        smoothness: lambda, weight of the distance, averaged over texts.
        dropout: "shared" masks, so that the distance comes from the noise only, or "fresh" ones in each pass, as in
            the release.

    Source: Aghajanyan et al., ICLR 2021; epsilon and lambda of facebookresearch/fairseq, examples/rxf. At
    the paper's radius of 1e-5 the distance is almost zero in float32, as for SMART: with fresh masks it is that of two
    draws of dropout. The presets other than the paper's set a radius similar to that of the other methods.
    `R3F.released()` has fresh masks.
    """

    title = "R3F"
    paper = "Aghajanyan et al., ICLR 2021, arXiv:2008.03156"

    radius: float = 1e-5
    noise: Literal["uniform", "normal"] = "uniform"
    smoothness: float = 1.0
    dropout: DropoutMode = "shared"

    @classmethod
    def released(cls, **changes: Any) -> R3F:
        """The settings of fairseq's examples/rxf."""
        return cls(**{"dropout": "fresh", **changes})

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.radius >= 0, "R3F.radius", "0 or more", self.radius)
        require(self.smoothness >= 0, "R3F.smoothness", "0 or more", self.smoothness)

    def update_passes(self) -> Passes:
        """Two forward and two full backward passes."""
        return Passes(2, 2, 0)

    def step(self, model: nn.Module, batch: Batch) -> Tensor:
        """A clean and a noisy pass, both forward and full backward: 6 cost units."""
        fixed = embed(model, batch).detach()
        noise = self.draw(fixed) * batch.attention_mask.unsqueeze(-1)  # (B, L, D)
        replay = DropoutReplay(self.dropout, fixed.device)
        replay.rewind()
        clean = model(**batch.inputs()).logits
        replay.rewind()
        noisy = forward(model, fixed + noise, batch).logits
        loss = cross_entropy(clean, batch.labels) + self.smoothness * divergence(clean, noisy).mean()
        loss.backward()
        return loss.detach()

    def draw(self, embedded: Tensor) -> Tensor:
        """Noise of the shape of the word embeddings, (B, L, D)."""
        if self.noise == "normal":
            return torch.randn_like(embedded, dtype=torch.float32) * self.radius
        return torch.empty_like(embedded, dtype=torch.float32).uniform_(-self.radius, self.radius)
