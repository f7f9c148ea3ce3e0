"""FLOPs of an update, counted by torch during the update."""

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
    """FLOPs of one call of a stage's step, without the optimiser.

    Attributes:
        texts, tokens: B and L of the batch.
        flops: floating-point operations of products and convolutions, by torch's counter.
    """

    texts: int
    tokens: int
    flops: int


class CountedSteps:
    """A wrapper of a defense that counts the FLOPs of the first step in each stage; training is unchanged.

    Counting takes longer than the step, so it should be done during warm-up.

    Attributes:
        counted: FLOPs by the stage's name, after its first step.
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
            # The counter does not support the CPU's fused attention, so attention is computed in separate operations.
            spelt_out = nullcontext() if batch.labels.is_cuda else sdpa_kernel(SDPBackend.MATH)
            with spelt_out, FlopCounterMode(display=False) as counter:
                loss = step(batch)
            self.counted[name] = StepFlops(*batch.input_ids.shape, counter.get_total_flops())
            return loss

        return counting
