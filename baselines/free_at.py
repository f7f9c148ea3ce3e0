"""FreeAT: replay each batch m times and use every gradient twice, for the weights and for the perturbation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from baselines.batch import Batch
from baselines.defense import Defense, Passes, Stage
from baselines.primitives.perturbation import Ascent, embed, forward
from baselines.settings import inlined
from baselines.validation import require


@dataclass(frozen=True, kw_only=True)
class FreeAT(Defense, key="free_at"):
    """One backward pass updates the weights and moves the perturbation, m times on a batch, with m optimiser updates.

    The ascent's gradient is one update old: it belongs to the weights before the update.

    Attributes:
        ascent: m `steps` are replays of a batch, each with an optimiser update. `epochs` counts batches, so that m
            times fewer epochs cost what fine-tuning does, which is how the paper trains.

    Source: Shafahi et al., NeurIPS 2019; for text zhuchen03/FreeLB, `freeat_adv_train_step`, which divides its loss by
    1 + m. Step size and start are TextDefender's for BERT-base, as for every method here.
    Departures from the paper, as in the port to text: each batch starts from its own random perturbation, since
    texts differ in length; normalised steps instead of signs; as many epochs as other methods.
    """

    title = "FreeAT"
    paper = "Shafahi et al., NeurIPS 2019, arXiv:1904.12843"

    ascent: Ascent = inlined(Ascent(steps=3, step_size=0.03, init_magnitude=0.05))

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.ascent.steps >= 1, "FreeAT.steps", "1 or more", self.ascent.steps)

    def update_passes(self) -> Passes:
        """A forward and a full backward pass per replay."""
        return Passes(self.ascent.steps, self.ascent.steps, 0)

    def stages(self, model: nn.Module) -> Iterator[Stage]:
        """One stage of m replays; a batch's perturbation is kept from its first replay to its last."""
        replayed, delta = 0, None

        def step(batch: Batch) -> Tensor:
            nonlocal replayed, delta
            if replayed % self.ascent.steps == 0:
                delta = self.ascent.scaled_to(model).start(embed(model, batch).detach(), batch.attention_mask)
            replayed += 1
            loss, delta = self.replay(model, batch, delta)
            return loss

        yield self.stage(
            "train",
            step,
            list(model.parameters()),
            replays=self.ascent.steps,
            state=(),
            not_capturable_reason="its perturbation is kept from one replay of a batch to the next",
        )

    def replay(self, model: nn.Module, batch: Batch, delta: Tensor) -> tuple[Tensor, Tensor]:
        """One forward and one full backward pass: 3 cost units, 3m a batch.

        Args:
            delta: (B, L, D).
        Returns:
            The loss, (), and the next perturbation, (B, L, D).
        """
        delta.requires_grad_()
        logits = forward(model, embed(model, batch) + delta, batch).logits
        loss = cross_entropy(logits, batch.labels) / (1 + self.ascent.steps)
        loss.backward()
        ascent = self.ascent.scaled_to(model)
        return loss.detach(), ascent.climb(delta, delta.grad, batch.attention_mask)  # type: ignore[arg-type]
