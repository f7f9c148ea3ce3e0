"""A profile counts what ran between the warm-up and the end, and overlapping kernels once."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from torch.autograd import DeviceType

from baselines.fine_tune import FineTune
from benchmarks.clock.cost import EncoderShape
from benchmarks.speed import step_profile
from benchmarks.speed.step_profile import covered, own_events, profile_updates
from benchmarks.speed.step_speed import random_batch, random_bert

THIN = EncoderShape(layers=2, hidden=16, heads=2, neurons=16)


@pytest.mark.parametrize(
    ("spans", "length"),
    [([], 0), ([(0, 2), (1, 3)], 3), ([(0, 4), (1, 2)], 4), ([(5, 6), (0, 1)], 2), ([(0, 1), (1, 2)], 2)],
)
def test_the_union_of_spans(spans, length) -> None:
    assert covered(spans) == length


def test_a_name_for_a_stretch_of_the_gpus_work_is_no_work_of_its_own() -> None:
    """An optimiser's step is such a stretch."""
    kernel, stretch, host = (
        SimpleNamespace(device_type=device, is_user_annotation=named)
        for device, named in ((DeviceType.CUDA, False), (DeviceType.CUDA, True), (DeviceType.CPU, True))
    )
    assert own_events([kernel, stretch, host], on_gpu=True) == [kernel]
    assert own_events([kernel, stretch, host], on_gpu=False) == [host]


def test_a_profiler_that_sees_nothing_is_not_taken_for_an_idle_device(monkeypatch) -> None:
    monkeypatch.setattr(step_profile, "own_events", lambda events, on_gpu: [])
    model = random_bert(THIN)
    with pytest.raises(RuntimeError, match="recorded nothing of the device"):
        profile_updates("thin", FineTune(), model, random_batch(2, 8, 100), updates=1, device="cpu")


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
