"""FLOPs of an update, counted by torch while it is made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace

from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from baselines.batch import Batch
from baselines.defense import Defense, Stage, Step


@dataclass(frozen=True)
class StepFlops:
    """What one call of a stage's step takes, without the optimiser.

    Attributes:
        texts, tokens: B and L of the batch.
        flops: floating-point operations of its products and convolutions, by torch's counter.
    """

    texts: int
    tokens: int
    flops: int


class CountedSteps:
    """A defense whose first step in each stage is counted; it trains as the defense does.

    Counting takes longer than the step: it belongs into the warm-up.

    Attributes:
        counted: by the stage's name, once its first step was made.
    """

    def __init__(self, defense: Defense):
        self._defense, self.title = defense, defense.title
        self.counted: dict[str, StepFlops] = {}

    def stages(self, model: nn.Module) -> Iterator[Stage]:
        """The defense's own stages."""
        for stage in self._defense.stages(model):
            yield replace(stage, step=self._counting(stage.name, stage.step))

    def as_json(self) -> dict[str, dict[str, int]]:
        """Plain values for a record."""
        return {name: asdict(found) for name, found in self.counted.items()}

    def _counting(self, name: str, step: Step) -> Step:
        def counting(batch: Batch) -> Tensor:
            if name in self.counted:
                return step(batch)
            # The counter does not know the fused attention of a CPU: it is spelt out.
            spelt_out = nullcontext() if batch.labels.is_cuda else sdpa_kernel(SDPBackend.MATH)
            with spelt_out, FlopCounterMode(display=False) as counter:
                loss = step(batch)
            self.counted[name] = StepFlops(*batch.input_ids.shape, counter.get_total_flops())
            return loss

        return counting
