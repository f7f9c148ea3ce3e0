"""Adversarial data augmentation: fine-tune on the training texts together with what an attack makes of them."""

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
    """Fine-tune again on the union of the training texts and what an attack made of them, with the labels kept.

    The attacked texts are made beforehand, once, by an attack on a model that was fine-tuned with the same settings;
    where they come from is the harness's business. Neither that model nor the attack is on this method's clock: the
    model has a record of its own, and the attack's queries stand in the record's trace.

    Attributes:
        recipe: the attack, as attacks on trained models are named.
        share: part of the training texts that is attacked, in [0, 1].
        least_words: texts of fewer words are not attacked; of a pair, the second text counts.
        added: which of the attacked texts join the training texts: "all", however the attack ended, or those of
            "successful" attacks alone. A text whose attack broke is never added.

    Source: RockyLzy/TextDefender, `augment` and `use_aug` (Li et al., EMNLP 2021): every text of more than four words
    is attacked, and every result is added, of failed and skipped attacks too; its `aug_ratio` of 0.5 is the union
    with the training texts.
    Departures: TextDefender attacks with PWWS, whose WordNet is not among the suite's resources.
    """

    title = "ADA"
    paper = "Li et al., EMNLP 2021, arXiv:2108.12777"
    published = {"weight_decay": 1e-6, "warmup_ratio": 0.0}  # TextDefender's; its rate falls by a cosine
    one_stage = False  # its texts are those of a whole training

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
        """Texts of its attack."""
        return frozenset({AdversarialTexts(self.recipe, self.share, self.least_words, self.added)})

    def update_passes(self) -> Passes:
        """Those of fine-tuning."""
        return Passes(1, 1, 0)

    def cost(self) -> tuple[StageCost, ...]:
        """Those of fine-tuning on the texts and as many more as are attacked at most; short texts are not.

        Neither the model that is attacked nor the attack's queries are in it.
        """
        return (StageCost("train", (1 + self.share) * self.epochs, self.update_passes()),)

    def step(self, model: nn.Module, batch: Batch) -> Tensor:
        """One forward and one full backward pass, as in fine-tuning: 3 cost units."""
        return FineTune().step(model, batch)
