"""Counter-fitting: word vectors in which synonyms lie close and antonyms far apart.

Source: Mrksic et al. 2016, equations 1 to 4: antonyms are repelled, synonyms attracted, and the distances to a word's
original neighbours kept from growing. Distance is 1 - cosine.

Departures: a word is attracted by the mean of its synonyms, not by their sum, and also by its own original vector.
Without both, words have so many synonyms that all vectors would move to one point. Each step uses the gradient of all
pairs, and then scales the vectors to length 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

_PAIRS_AT_ONCE = 1 << 15
_ROWS_AT_ONCE = 512


@dataclass(frozen=True)
class CounterFitting:
    """Constants of the fit.

    Attributes:
        steps: gradient steps.
        step_size: length of a step along the gradient.
        margin: antonyms are repelled until their distance is this; delta in the paper.
        radius: largest distance of original neighbours; rho in the paper.
        attract, repel, preserve, anchor: weights of the terms: synonyms, antonyms, original neighbours, and a word's
            original vector.
    """

    steps: int = 10
    step_size: float = 0.2
    margin: float = 1.0
    radius: float = 0.35
    attract: float = 1.5
    repel: float = 0.3
    preserve: float = 0.1
    anchor: float = 1.0

    def fit(self, vectors: Tensor, synonyms: Tensor, weights: Tensor, antonyms: Tensor, near: Tensor) -> Tensor:
        """The fitted vectors.

        Args:
            vectors: (W, D).
            synonyms: (S, 2) int64, pairs of rows; `weights` (S,) has their weights.
            antonyms: (A, 2) int64.
            near: (N, 2) int64, the pairs within `radius` of each other; see `near_pairs`.
        Returns:
            (W, D), each of length 1.
        """
        vectors = original = normalize(vectors, dim=1)
        distances = _distances(vectors, near)
        share = _shares(len(vectors), synonyms, weights)
        apart = _shares(len(vectors), antonyms, torch.ones(len(antonyms)))
        beside = _shares(len(vectors), near, torch.ones(len(near)))
        for _ in range(self.steps):
            gradient = -self.anchor * original
            pull = torch.zeros_like(vectors)
            _add_(pull, vectors, synonyms, lambda _, at: weights[at])
            gradient += self.attract * share * pull
            pull.zero_()
            _add_(pull, vectors, antonyms, lambda distance, _: -(distance < self.margin).float())
            gradient += self.repel * apart * pull
            pull.zero_()
            _add_(pull, vectors, near, lambda distance, at: (distance > distances[at]).float())
            gradient += self.preserve * beside * pull
            vectors = normalize(vectors - self.step_size * gradient, dim=1)
        return vectors


def _shares(words: int, pairs: Tensor, weights: Tensor) -> Tensor:
    """(W, 1): one over the total weight of a word's pairs, at most 1."""
    total = torch.zeros(words)
    for side in pairs.unbind(dim=1):
        total.index_add_(0, side, weights)
    return 1 / total.clamp(min=1)[:, None]


def near_pairs(vectors: Tensor, rows: Tensor, cosine: float) -> tuple[Tensor, Tensor]:
    """The pairs among `rows` with at least this cosine, each once, and their cosines.

    Args:
        vectors: (W, D), of length 1.
        rows: (R,) int64, ascending.
    Returns:
        (P, 2) int64, the smaller row first; and (P,).
    """
    pairs, cosines = [torch.zeros((0, 2), dtype=torch.int64)], [torch.zeros(0)]
    chosen = vectors[rows]
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        found = chosen[start : start + _ROWS_AT_ONCE] @ chosen[start:].T
        first, second = torch.nonzero(found >= cosine, as_tuple=True)
        above = first < second  # each pair once, and no word with itself
        first, second = first[above], second[above]
        pairs.append(torch.stack([rows[first + start], rows[second + start]], dim=1))
        cosines.append(found[first, second])
    return torch.cat(pairs), torch.cat(cosines)


def _distances(vectors: Tensor, pairs: Tensor) -> Tensor:
    """(P,)"""
    return torch.cat(
        [torch.zeros(0)]
        + [1 - (vectors[part[:, 0]] * vectors[part[:, 1]]).sum(dim=1) for part in pairs.split(_PAIRS_AT_ONCE)]
    )


def _add_(gradient: Tensor, vectors: Tensor, pairs: Tensor, weigh: Callable[[Tensor, slice], Tensor]) -> None:
    """Add the gradient of the weighted sum of distances; its part along the vectors is removed by normalising later.

    Args:
        weigh: computes the weights of pairs from their distances and positions; a weight is constant in the distance.
    """
    for start in range(0, len(pairs), _PAIRS_AT_ONCE):
        at = slice(start, start + _PAIRS_AT_ONCE)
        first, second = pairs[at].unbind(dim=1)
        one, other = vectors[first], vectors[second]
        weight = weigh(1 - (one * other).sum(dim=1), at)[:, None]
        gradient.index_add_(0, first, -weight * other)
        gradient.index_add_(0, second, -weight * one)
