"""Decide when the ticket has converged: three rules on the masks at the boundaries of mini-epochs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Literal, TypeVar

from baselines.validation import require

StopRule = Literal["consecutive", "anchor", "fifo"]
DrawAt = Literal["last", "first"]

Mask = TypeVar("Mask")


class Convergence(Generic[Mask]):
    """Observe the mask at every boundary, from the first on, and decide when the masks have converged.

    "consecutive": `patience` times in a row the mask is within gamma of the one before it (Xi et al. 2022).
    "anchor": some mask has the next `patience` masks all within gamma (WooooDyy/EarlyRobust).
    "fifo": the newest of `patience` masks is within gamma of the older ones (You et al. 2020).
    Heads and neurons must both be strictly within gamma. The mask of boundary 0, before training, is not observed.

    Attributes:
        distance: function that returns the distance of two masks, (heads, neurons).
        settled_at: the boundary, from 1, at which the rule was met, or None.
        drawn: the boundary of the mask that is drawn: the last one, or the first of the run with `draw_at` "first". By
            default "anchor" draws the first, the others the last.
        distances: of each mask to the one before it, (heads, neurons), from the second boundary on.
    """

    def __init__(
        self,
        rule: StopRule,
        gamma: float,
        patience: int,
        distance: Callable[[Mask, Mask], tuple[float, float]],
        draw_at: DrawAt | None = None,
    ):
        require(gamma > 0, "gamma", "positive", gamma)
        require(patience >= 1, "patience", "1 or more", patience)
        self.rule, self.gamma, self.patience = rule, gamma, patience
        self.draw_at = draw_at or ("first" if rule == "anchor" else "last")
        self.distance = distance
        self.masks: list[Mask] = []
        self.distances: list[tuple[float, float]] = []
        self.settled_at: int | None = None

    def observe(self, mask: Mask) -> bool:
        """Take the next boundary's mask; return True from the boundary on at which the rule is met."""
        if self.masks:
            self.distances.append(self.distance(self.masks[-1], mask))
        self.masks.append(mask)
        if self.settled_at is None and self._met():
            self.settled_at = len(self.masks)
        return self.settled_at is not None

    def all_distances(self) -> dict[str, list[list[float]]]:
        """Distances between the masks of every two boundaries, (observed, observed), for heads and for neurons."""
        pairs = [[self.distance(first, second) for second in self.masks] for first in self.masks]
        return {
            kind: [[pair[index] for pair in row] for row in pairs] for index, kind in enumerate(("heads", "neurons"))
        }

    @property
    def drawn(self) -> int | None:
        """The boundary to draw from, once the rule is met."""
        return self.settled_at if self.draw_at == "last" else self.first

    @property
    def first(self) -> int | None:
        """The first boundary of the run that met the rule."""
        return None if self.settled_at is None else self.settled_at - self._reach

    @property
    def _reach(self) -> int:
        """Number of boundaries from the first mask of a run to the last."""
        return self.patience - 1 if self.rule == "fifo" else self.patience

    def _met(self) -> bool:
        if len(self.masks) <= self._reach:
            return False
        if self.rule == "consecutive":
            return all(self._near(distance) for distance in self.distances[-self.patience :])
        window = self.masks[-self._reach - 1 :]
        fixed = window[0] if self.rule == "anchor" else window[-1]
        return all(self._near(self.distance(fixed, other)) for other in window if other is not fixed)

    def _near(self, distance: tuple[float, float]) -> bool:
        return max(distance) < self.gamma
