"""A profile counts what ran between the warm-up and the end, and overlapping kernels once."""

from __future__ import annotations

import pytest

from baselines.fine_tune import FineTune
from benchmarks.clock.cost import EncoderShape
from benchmarks.speed.step_profile import covered, profile_updates
from benchmarks.speed.step_speed import random_batch, random_bert

THIN = EncoderShape(layers=2, hidden=16, heads=2, neurons=16)


@pytest.mark.parametrize(
    ("spans", "length"),
    [([], 0), ([(0, 2), (1, 3)], 3), ([(0, 4), (1, 2)], 4), ([(5, 6), (0, 1)], 2), ([(0, 1), (1, 2)], 2)],
)
def test_the_union_of_spans(spans, length) -> None:
    assert covered(spans) == length


def test_updates_are_profiled_without_the_warm_up() -> None:
    model = random_bert(THIN)
    batch = random_batch(2, 8, model.config.vocab_size)
    one, three = (
        profile_updates("thin", FineTune(epochs=1), model, batch, updates=updates, device="cpu") for updates in (1, 3)
    )
    calls = [{kernel.name: kernel.calls for kernel in each.kernels} for each in (one, three)]
    optimiser = next(name for name in calls[0] if "adamw" in name)
    assert calls[0][optimiser] == calls[1][optimiser] == 2  # an update's: decayed parameters and the others
    assert 0 < three.busy_share <= 1
    assert [kernel.seconds for kernel in three.kernels] == sorted((k.seconds for k in three.kernels), reverse=True)
