"""FreeLB++: FreeLB without a norm bound and with many more ascent steps."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from baselines.batch import Batch
from baselines.defense import Defense, Passes
from baselines.freelb import FreeLB
from baselines.primitives.perturbation import Ascent, DropoutMode, Norm


@dataclass(frozen=True, kw_only=True)
class FreeLBPlusPlus(Defense, key="freelb_plus_plus"):
    """FreeLB with perturbations that are not projected back, so that the K points lead far from the text.

    Attributes:
        steps: K, loss evaluations per update; the perturbation moves K - 1 times.
        step_size, init_magnitude, norm: as in FreeLB; there is no bound.
        dropout: "fresh" masks for each of the K passes, as in the release, or "shared" ones.

    Source: Li et al., EMNLP 2021; RockyLzy/TextDefender, trainer/freelb.py without `max_norm`. K = 30 is known for
    AG News; K = 10 for the other tasks is our choice, between 30 and FreeLB's five.
    """

    title = "FreeLB++"
    paper = "Li et al., EMNLP 2021, arXiv:2108.12777"
    published = {"weight_decay": 1e-6, "warmup_ratio": 0.0}  # TextDefender's; its rate falls by a cosine
    task_settings = {"ag_news": {"steps": 30}}

    steps: int = 10
    step_size: float = 0.03
    init_magnitude: float = 0.05
    norm: Norm = "l2"
    dropout: DropoutMode = "fresh"

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.freelb

    @property
    def freelb(self) -> FreeLB:
        """FreeLB with these settings and no norm bound."""
        ascent = Ascent(self.steps, self.step_size, self.init_magnitude, None, self.norm)
        return FreeLB(ascent=ascent, dropout=self.dropout)

    def update_passes(self) -> Passes:
        """As for FreeLB."""
        return self.freelb.update_passes()

    def step(self, model: nn.Module, batch: Batch) -> Tensor:
        """K forward and K full backward passes: 3K cost units."""
        return self.freelb.step(model, batch)
