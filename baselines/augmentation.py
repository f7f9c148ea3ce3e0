"""Adversarial data augmentation: fine-tune on the training texts and on attacked versions of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from baselines.batch import Batch
from baselines.defense import Defense, Passes, StageCost
from baselines.fine_tune import FineTune
from baselines.needs import AdversarialTexts, Need
from baselines.validation import require


@dataclass(frozen=True, kw_only=True)
class Augmentation(Defense, key="augmentation"):
    """Fine-tune on the union of the training texts and their attacked versions, which keep the labels.

    The attacked texts are made once, beforehand, by an attack on a model fine-tuned with the same settings. The harness
    provides them. Neither that model nor the attack counts as training time of this method: the model has its own
    record, and the trace of this method's record holds the queries of the attack.

    Attributes:
        recipe: key of the attack.
        share: part of the training texts that is attacked, in [0, 1].
        least_words: texts of fewer words are not attacked; of a pair, the second text counts.
        added: which attacked texts are added to the training texts: "all", whatever the attack's result, or only those
            of "successful" attacks. A text whose attack failed with an error is never added.

    Source: RockyLzy/TextDefender, `augment` and `use_aug` (Li et al., EMNLP 2021): every text of more than four words
    is attacked, and every result is added, also of failed and skipped attacks; its `aug_ratio` of 0.5 is the union
    with the training texts.
    Departures: TextDefender attacks with PWWS, which needs WordNet; the suite's resources do not include it.
    """

    title = "ADA"
    paper = "Li et al., EMNLP 2021, arXiv:2108.12777"
    published = {"weight_decay": 1e-6, "warmup_ratio": 0.0}  # TextDefender's; its rate falls by a cosine
    one_stage = False  # its attacked texts are made for a whole training

    recipe: str = "textfooler"
    share: float = 1.0
    least_words: int = 5
    added: Literal["all", "successful"] = "all"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.share <= 1, "Augmentation.share", "in [0, 1]", self.share)
        require(self.least_words >= 0, "Augmentation.least_words", "0 or more", self.least_words)

    @property
    def needs(self) -> frozenset[Need]:  # type: ignore[override]
        """The attacked texts."""
        return frozenset({AdversarialTexts(self.recipe, self.share, self.least_words, self.added)})

    def update_passes(self) -> Passes:
        """As for fine-tuning."""
        return Passes(1, 1, 0)

    def cost(self) -> tuple[StageCost, ...]:
        """Cost of fine-tuning on the texts and on the largest number of attacked texts; short texts are not attacked.

        Training the attacked model and the attack's queries are not included.
        """
        return (StageCost("train", (1 + self.share) * self.epochs, self.update_passes()),)

    def step(self, model: nn.Module, batch: Batch) -> Tensor:
        """One forward and one full backward pass, as in fine-tuning: 3 cost units."""
        return FineTune().step(model, batch)
