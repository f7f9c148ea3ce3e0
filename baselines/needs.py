"""What a method may need of its batches beyond tokens, each as a value that a defense names in `needs`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Substitutes:
    """Batches carry, for each token, the tokens that may stand in for it."""


@dataclass(frozen=True)
class ReplaceableTokens:
    """Batches carry which tokens of the vocabulary may replace each other."""


@dataclass(frozen=True)
class BalancedBatches:
    """Batches hold equal shares of the classes, one class after another."""


@dataclass(frozen=True)
class AdversarialTexts:
    """The training texts include what attacks on a fine-tuned model made of some of them.

    Attributes:
        recipe: the attack's key.
        share: part of the training texts that is attacked, in [0, 1].
        least_words: texts of fewer words are not attacked; of a pair, the second text counts.
        added: which of the attacked texts are included: "all" whose attack did not break, or those of "successful"
            attacks.
    """

    recipe: str
    share: float = 1.0
    least_words: int = 0
    added: Literal["all", "successful"] = "successful"


Need = Substitutes | ReplaceableTokens | BalancedBatches | AdversarialTexts
