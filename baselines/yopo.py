"""YOPO: run most steps of the ascent through the first layer only."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from baselines.batch import Batch
from baselines.defense import Defense, Passes, StageCost
from baselines.primitives.encoders import only_first_layer
from baselines.primitives.perturbation import Ascent, DropoutMode, DropoutReplay, embed, forward
from baselines.settings import inlined
from baselines.validation import require


@dataclass(frozen=True, kw_only=True)
class YOPO(Defense, key="yopo"):
    """Minimise the mean loss over m + 1 points; between two, climb n steps with the gradient above layer 0 fixed.

    By the chain rule the perturbation's gradient is that of the first layer, weighted with p = d loss / d h1, the
    gradient at that layer's output. Right after a full pass this is exact; during the n steps p becomes outdated.

    Attributes:
        ascent: m `steps` are rounds; the whole model is passed m + 1 times.
        inner_steps: n, steps of a round, through the embeddings and the first layer only.
        dropout: "shared" masks over all passes, also the partial ones, as in the port; with "fresh" masks, p belongs to
            a first layer with other dropout masks.

    Source: Zhang et al., NeurIPS 2019; for text zhuchen03/FreeLB, `yopo_train_step` and `yopo_inner_steps`, with
    m = 2 and n = 3 in its command for SST-2. Step size and start are TextDefender's for BERT-base.
    Departures from the paper, as in the port: normalised steps instead of signs, full gradients for all layers, m + 1
    full passes instead of m.
    """

    title = "YOPO"
    paper = "Zhang et al., NeurIPS 2019, arXiv:1905.00877"

    ascent: Ascent = inlined(Ascent(steps=2, step_size=0.03, init_magnitude=0.05))
    inner_steps: int = 3
    dropout: DropoutMode = "shared"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.ascent.steps >= 1, "YOPO.steps", "1 or more", self.ascent.steps)
        require(self.inner_steps >= 0, "YOPO.inner_steps", "0 or more", self.inner_steps)

    def update_passes(self) -> Passes:
        """m + 1 of each through the whole model; passes through the first layer only are not counted."""
        return Passes(self.ascent.steps + 1, self.ascent.steps + 1, 0)

    def cost(self) -> tuple[StageCost, ...]:
        """One stage; m n steps of the ascent pass through the first layer only."""
        alone = self.ascent.steps * self.inner_steps
        return (StageCost("train", self.epochs, self.update_passes(), Passes(alone, 0, alone)),)

    def step(self, model: nn.Module, batch: Batch) -> Tensor:
        """m + 1 forward and full backward passes, m n forward and input backward passes of the first layer."""
        ascent = self.ascent.scaled_to(model)
        delta = ascent.start(embed(model, batch).detach(), batch.attention_mask)
        replay = DropoutReplay(self.dropout, delta.device)
        total = delta.new_zeros(())
        for number in range(self.ascent.steps + 1):
            replay.rewind()
            output = forward(model, embed(model, batch) + delta, batch, output_hidden_states=True)
            first = output.hidden_states[1]  # h1 (B, L, H), after layer 0
            first.retain_grad()
            loss = cross_entropy(output.logits, batch.labels) / (1 + self.ascent.steps)
            loss.backward()
            total = total + loss.detach()
            if number < self.ascent.steps:
                delta = self._inner_ascent(model, batch, ascent, delta, first.grad, replay)
        return total

    def _inner_ascent(
        self, model: nn.Module, batch: Batch, ascent: Ascent, delta: Tensor, gradient: Tensor, replay: DropoutReplay
    ) -> Tensor:
        """n steps that climb sum(h1 * p), with p (B, L, H) the loss's `gradient` at h1; delta (B, L, D)."""
        fixed = embed(model, batch).detach()
        for _ in range(self.inner_steps):
            delta.requires_grad_()
            replay.rewind()
            with only_first_layer(model) as encoder:
                # Calls the encoder's function, not the encoder: a pass through one layer is not counted as a pass.
                first = encoder.forward(inputs_embeds=fixed + delta, **batch.context())[0]
            hamiltonian = (first.float() * gradient.float()).sum()
            delta = ascent.climb(delta, torch.autograd.grad(hamiltonian, delta)[0], batch.attention_mask)
        return delta
