"""What a defense may need of its batches besides tokens: values for its `needs`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Added = Literal["all", "successful"]


@dataclass(frozen=True)
class Substitutes:
    """Batches carry, for each token, the tokens that may replace it."""


@dataclass(frozen=True)
class ReplaceableTokens:
    """Batches carry which tokens of the vocabulary may replace each other."""


@dataclass(frozen=True)
class BalancedBatches:
    """Batches hold equal shares of the classes, one class after another."""


@dataclass(frozen=True)
class Identity:
    """Batches carry the place of each token in the training set, which stays the same in every epoch."""


@dataclass(frozen=True)
class HeldOut:
    """Some training texts are not trained on; each batch carries twice as many of them as it has texts.

    Attributes:
        share: part of the training texts that is held out, in (0, 1).
    """

    share: float


@dataclass(frozen=True)
class SynonymSets:
    """Batches carry, for the whole vocabulary, the sets of tokens that stand for each other.

    Attributes:
        least_cosine: words are synonyms above this cosine, in [0, 1).
        largest: the most words of a set.
    """

    least_cosine: float = 0.8
    largest: int = 100


@dataclass(frozen=True)
class Words:
    """Batches carry the word that each token belongs to, and the token that masks a word."""


@dataclass(frozen=True)
class AdversarialTexts:
    """The training texts include attacked versions of some of them, made against a fine-tuned model.

    Attributes:
        recipe: key of the attack.
        share: part of the training texts that is attacked, in [0, 1].
        least_words: texts of fewer words are not attacked; of a pair, the second text counts.
        added: which attacked texts are included: "all" except those whose attack failed with an error, or those of
            "successful" attacks only.
    """

    recipe: str
    share: float = 1.0
    least_words: int = 0
    added: Added = "successful"


Need = Substitutes | ReplaceableTokens | BalancedBatches | Identity | HeldOut | SynonymSets | Words | AdversarialTexts
