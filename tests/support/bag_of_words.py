"""A linear bag-of-words victim with gradients, faults to plant, and texts of which every one can be broken."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np

from benchmarks.attacks.synonyms import NeighbourList
from benchmarks.attacks.words import words_of
from benchmarks.data.examples import Example
from benchmarks.victims.mixtures import Margins, Mixture
from benchmarks.victims.pieces import Row

BASES = 20
SIGNS = {number: 1 if number % 2 else -1 for number in range(BASES)}
WEIGHTS = {
    f"{kind}{number}": share * sign
    for number, sign in SIGNS.items()
    for kind, share in (("word", 1.0), ("weak", 0.4), ("turned", -0.2))
}
SYNONYMS = NeighbourList({f"word{n}": [f"weak{n}", f"turned{n}"] for n in SIGNS}, "a test")
NAMES = list(WEIGHTS)


def texts_of_bags(count: int, seed: int, mislabelled: float = 0.0) -> list[Example]:
    """Texts of five words; label 1 if their weights sum to more than 0, a share of the labels turned."""
    generator = np.random.default_rng(seed)
    found = []
    for row in range(count):
        chosen = [f"word{number}" for number in generator.choice(BASES, 5, replace=False)]
        label = int(sum(WEIGHTS[word] for word in chosen) > 0)
        label = 1 - label if generator.random() < mislabelled else label
        found.append(Example(f"{seed}-{row}", (" ".join(chosen),), label))
    return found


class Bag:
    """Two classes; the logit of class 1 is the sum of the words' weights.

    Args:
        scale: multiple of the logits: a large one saturates probabilities.
        noise: standard deviation of a random part of each answer.
        company: how much each other text in a batch adds to a logit.
        slope: multiple of the gradients: 0 masks them.
    """

    classes = 2

    def __init__(self, scale: float = 1.0, noise: float = 0.0, company: float = 0.0, slope: float = 1.0) -> None:
        self.scale, self.noise, self.company, self.slope = scale, noise, company, slope
        self.temperature, self.queries = 1.0, 0
        self.generator = np.random.default_rng(0)

    def at(self, temperature: float) -> Bag:
        other = copy.copy(self)
        other.temperature, other.queries = temperature, 0
        return other

    def __call__(self, texts: Sequence[tuple[str, ...]]) -> np.ndarray:
        one = self.logits(texts)[:, 1] / self.temperature
        sure = 1 / (1 + np.exp(-one))
        return np.stack([1 - sure, sure], axis=1).astype(np.float32)

    def logits(self, texts: Sequence[tuple[str, ...]]) -> np.ndarray:
        self.queries += len(texts)
        sums = np.array([sum(WEIGHTS[word] for word in words_of(text[0]) if word in WEIGHTS) for text in texts])
        sums = self.scale * sums + self.noise * self.generator.standard_normal(len(texts))
        return np.stack([np.zeros(len(texts)), sums + self.company * (len(texts) - 1)], axis=1)

    def rows(self, texts: Sequence[tuple[str, ...]]) -> list[Row]:
        return [Row(tuple(NAMES.index(word) for word in words_of(text[0])), ()) for text in texts]

    def margins(self, mixture: Mixture) -> Margins:
        weights = self.scale * (1 - 2 * mixture.label) * np.array([WEIGHTS[name] for name in NAMES])
        tables = [weights[ids].sum(axis=1) for ids in mixture.choices]
        scores = np.full(len(mixture.weights[0]), weights[list(mixture.row.ids)].sum())
        for table, shares in zip(tables, mixture.weights, strict=True):
            scores += shares @ table - table[0]
        slopes = [self.slope * np.broadcast_to(t, s.shape) for t, s in zip(tables, mixture.weights, strict=True)]
        return Margins(scores, slopes)
