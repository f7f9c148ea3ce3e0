"""Random noise of FreeLB's norm: a control that shows what FreeLB's ascent adds to noise."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from baselines.batch import Batch
from baselines.defense import Defense, Passes
from baselines.primitives.perturbation import SMALLEST_NORM, Ascent, DropoutMode, DropoutReplay, embed, forward
from baselines.settings import inlined
from baselines.validation import require


@dataclass(frozen=True, kw_only=True)
class RandomNoise(Defense, key="random_noise"):
    """Minimise the mean loss over K points on a random ray, as far from the text as FreeLB's points.

    FreeLB's gradient is almost orthogonal to its random start and hardly turns between two steps. After t steps of
    length alpha its perturbation therefore has a norm of about sqrt(start^2 + (t alpha)^2). The points here have
    exactly this norm, in the direction of the random start. Passes, dropout and cost are FreeLB's.

    Attributes:
        ascent: K `steps` are loss evaluations per update. The norm must be "l2".
        dropout: as in FreeLB.

    Source: a control of this suite; FreeLB is Zhu et al., ICLR 2020.
    """

    title = "Random noise"
    paper = "control for Zhu et al., ICLR 2020, arXiv:1909.11764"

    ascent: Ascent = inlined(Ascent(steps=5, step_size=0.03, init_magnitude=0.05))
    dropout: DropoutMode = "shared"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.ascent.steps >= 1, "RandomNoise.steps", "1 or more", self.ascent.steps)
        require(self.ascent.norm == "l2", "RandomNoise.norm", "'l2'", self.ascent.norm)
        require(self.ascent.unit == "text", "RandomNoise.unit", "'text'", self.ascent.unit)

    def update_passes(self) -> Passes:
        """K forward and K full backward passes."""
        return Passes(self.ascent.steps, self.ascent.steps, 0)

    def step(self, model: nn.Module, batch: Batch) -> Tensor:
        """K forward and K full backward passes: 3K cost units."""
        scaled = replace(self, ascent=self.ascent.scaled_to(model))
        start = scaled.ascent.start(embed(model, batch).detach(), batch.attention_mask)
        replay = DropoutReplay(self.dropout, start.device)
        total = start.new_zeros(())
        for number in range(self.ascent.steps):
            replay.rewind()
            logits = forward(model, embed(model, batch) + scaled.noise(start, number), batch).logits
            loss = cross_entropy(logits, batch.labels) / self.ascent.steps
            loss.backward()
            total = total + loss.detach()
        return total

    def noise(self, start: Tensor, moves: int) -> Tensor:
        """The start, made as long as FreeLB's perturbation after some moves; a start of zero stays zero.

        Args:
            start: (B, L, D).
            moves: steps that FreeLB would have made from it.
        Returns:
            (B, L, D).
        """
        size = start.flatten(1).norm(dim=1)  # (B,)
        if moves == 0:
            return start
        length = (size.square() + (moves * self.ascent.step_size) ** 2).sqrt()
        if self.ascent.max_norm is not None:
            length = length.clamp(max=self.ascent.max_norm)
        return start * (length / size.clamp(min=SMALLEST_NORM)).view(-1, 1, 1)
