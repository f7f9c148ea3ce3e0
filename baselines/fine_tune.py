"""Fine-tuning on clean text: the reference every defense is measured against."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from baselines.batch import Batch
from baselines.defense import Defense, Passes


@dataclass(frozen=True, kw_only=True)
class FineTune(Defense, key="fine_tune"):
    """Plain fine-tuning with cross-entropy.

    Source: Devlin et al., NAACL 2019; ten epochs as in EarlyRobust (Xi et al., EMNLP 2022).
    """

    title = "Fine-tune"
    paper = "Devlin et al., NAACL 2019, arXiv:1810.04805"

    def update_passes(self) -> Passes:
        """One forward and one full backward pass."""
        return Passes(1, 1, 0)

    def step(self, model: nn.Module, batch: Batch) -> Tensor:
        """One clean forward and backward pass: 3 cost units."""
        loss = cross_entropy(model(**batch.inputs()).logits, batch.labels)
        loss.backward()
        return loss.detach()
