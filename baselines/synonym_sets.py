"""Sets of tokens that stand for each other: draws from them, and how much the sets of two synonyms overlap."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class SynonymSets:
    """For each of V tokens its set P, and what an attack may replace it by, S.

    Attributes:
        rows: (V,) int64, the token's row in the tables; -1 for a token that only stands for itself.
        sets: (R, K) int64, the tokens of P, its own among them; a row repeats its first token at the end.
        sizes: (R,) int64, tokens in P.
        covered: (R, M) int64, the tokens of S, filled up with the token itself.
        overlaps: (R,) q, the smallest share of P that is also in the set of a token of S; 1 if all have the same set.
    """

    rows: Tensor
    sets: Tensor
    sizes: Tensor
    covered: Tensor
    overlaps: Tensor

    def drawn(self, ids: Tensor, which: Tensor, uniform: Tensor) -> Tensor:
        """Token ids of the same shape, each drawn from the set of its token.

        Args:
            ids: int64, any shape. which: bool, the tokens that are drawn; the others stay.
            uniform: draws in [0, 1).
        """
        rows = self.rows[ids]
        has = which & (rows >= 0)
        own = rows.clamp(min=0)
        place = (uniform * self.sizes[own]).long()
        return torch.where(has, self.sets[own, place], ids)

    def to(self, device: torch.device) -> SynonymSets:
        """The same sets on another device."""
        return SynonymSets(**{name: value.to(device) for name, value in vars(self).items()})


def overlap(own: set[int], others: list[set[int]]) -> float:
    """q: the smallest share of a set that is also in one of the others. Source: Ye et al. 2020, section 4.2."""
    return min((len(own & other) / len(own) for other in others), default=1.0)
