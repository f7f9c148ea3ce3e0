"""CreAT: an ascent that also moves the text's representation away from that of the clean text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, cross_entropy

from baselines.batch import Batch
from baselines.defense import Defense, Passes
from baselines.primitives.perturbation import Ascent, DropoutMode, DropoutReplay, embed, forward
from baselines.settings import inlined
from baselines.validation import require


@dataclass(frozen=True, kw_only=True)
class CreAT(Defense, key="creat"):
    """Minimise the mean of the loss on the text and of that at the end of an ascent which also attacks the context.

    The ascent climbs CE(x + delta) - tau cos(h(x + delta), h(x)), where h is the encoder's last hidden state of the
    first token. Only the clean text's h is a constant.

    Attributes:
        ascent: K `steps` are forward passes with the perturbation; it moves K - 1 times. `init_magnitude` is here the
            standard deviation of a normal start.
        context_weight: tau, weight of the mean cosine beside the mean cross-entropy. "released" sums the cosine over
            the batch instead, which gives it the weight B in a batch of B texts.
        dropout: "shared" masks over all passes of an update, or "fresh" ones, as in the release.

    Source: Wu et al., ICLR 2023; K = 2, step and radius 0.1, start 0.01, tau = 1 of gingasan/CreAT.
    `CreAT.released()` has the release's settings.
    Departures: the release also draws a start on padding, which then counts in the perturbation's norm.
    """

    title = "CreAT"
    paper = "Wu et al., ICLR 2023, arXiv:2305.04557"
    published = {"max_grad_norm": None}

    ascent: Ascent = inlined(Ascent(steps=2, step_size=0.1, init_magnitude=0.01, max_norm=0.1))
    context_weight: float | Literal["released"] = 1.0
    dropout: DropoutMode = "shared"

    @classmethod
    def released(cls, **changes: Any) -> CreAT:
        """The settings of the release."""
        return cls(**{"context_weight": "released", "dropout": "fresh", "max_grad_norm": None, **changes})

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.ascent.steps >= 1, "CreAT.steps", "1 or more", self.ascent.steps)
        weight = self.context_weight
        require(weight == "released" or weight >= 0, "CreAT.context_weight", "0 or more, or 'released'", weight)

    def update_passes(self) -> Passes:
        """The clean text, K points, a gradient of the perturbation at the first K - 1, and two full backward passes."""
        return Passes(self.ascent.steps + 1, 2, self.ascent.steps - 1)

    def step(self, model: nn.Module, batch: Batch) -> Tensor:
        """K + 1 forward, K - 1 input and 2 full backward passes: 2 K + 4 cost units, 8 at K = 2."""
        fixed = embed(model, batch).detach()
        delta = self.start(fixed, batch.attention_mask)
        replay = DropoutReplay(self.dropout, fixed.device)
        replay.rewind()
        clean = model(**batch.inputs(), output_hidden_states=True)
        context = first_state(clean).detach()
        ascent = self.ascent.scaled_to(model)
        for _ in range(ascent.steps - 1):
            delta.requires_grad_()
            replay.rewind()
            moved = forward(model, fixed + delta, batch, output_hidden_states=True)
            cosine = cosine_similarity(first_state(moved), context, dim=-1)  # (B,)
            objective = cross_entropy(moved.logits, batch.labels) - self.weighted(cosine)
            delta = ascent.climb(delta, torch.autograd.grad(objective, delta)[0], batch.attention_mask)
        replay.rewind()
        perturbed = forward(model, embed(model, batch) + delta, batch).logits
        loss = (cross_entropy(clean.logits, batch.labels) + cross_entropy(perturbed, batch.labels)) / 2
        loss.backward()
        return loss.detach()

    def start(self, embedded: Tensor, mask: Tensor) -> Tensor:
        """The first perturbation, (B, L, D): normal noise on real tokens."""
        noise = torch.randn_like(embedded, dtype=torch.float32)
        return noise * self.ascent.init_magnitude * mask.unsqueeze(-1)

    def weighted(self, cosine: Tensor) -> Tensor:
        """The context's term of the ascent, (), from the cosine of each text, (B,)."""
        return cosine.sum() if self.context_weight == "released" else self.context_weight * cosine.mean()


def first_state(output: object) -> Tensor:
    """The last layer's hidden state of the first token, (B, H)."""
    return output.hidden_states[-1][:, 0].float()  # type: ignore[attr-defined]
