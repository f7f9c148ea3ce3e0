"""A training set of random batches of any number of updates."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from baselines.batch import Batch


class SmallSet:
    """`updates` batches an epoch, and what was asked of it."""

    def __init__(self, batch: Callable[..., Batch], updates: int, **options):
        self.updates_per_epoch = updates
        self.batches = [batch(seed=seed, **options) for seed in range(updates)]
        self.asked: list[tuple[int, bool]] = []

    def epoch(self, number: int, shuffle: bool = True) -> Iterator[Batch]:
        self.asked.append((number, shuffle))
        return iter(self.batches)
