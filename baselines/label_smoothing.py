"""Label smoothing: fine-tuning with less certain labels, a control that changes confidence and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from baselines.batch import Batch
from baselines.defense import Defense, Passes
from baselines.validation import require


@dataclass(frozen=True, kw_only=True)
class LabelSmoothing(Defense, key="label_smoothing"):
    """Cross-entropy with labels that give a share of their weight to all classes alike.

    A less confident model gives an attack other scores to search by. This control shows how much of a method's
    robustness such a change alone can produce; compare both after calibration.

    Attributes:
        smoothing: share of a label's weight that is spread evenly over all classes, in [0, 1).

    Source: Szegedy et al., CVPR 2016, section 7, with 0.1.
    """

    title = "Label smoothing"
    paper = "Szegedy et al., CVPR 2016, arXiv:1512.00567"

    smoothing: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.smoothing < 1, "LabelSmoothing.smoothing", "in [0, 1)", self.smoothing)

    def update_passes(self) -> Passes:
        """One forward and one full backward pass."""
        return Passes(1, 1, 0)

    def step(self, model: nn.Module, batch: Batch) -> Tensor:
        """One clean forward and backward pass: 3 cost units."""
        logits = model(**batch.inputs()).logits
        loss = cross_entropy(logits, batch.labels, label_smoothing=self.smoothing)
        loss.backward()
        return loss.detach()
