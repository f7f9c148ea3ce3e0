"""What only a CUDA device can show of clock, pruned layers, energy and profiles."""

from __future__ import annotations

import pytest
import torch

from baselines.fine_tune import FineTune
from baselines.freelb import FreeLB
from baselines.primitives.pruning import Ticket, prune_
from baselines.training import fit
from benchmarks.clock.nvml import cuda_device, watching
from benchmarks.clock.timing import timer_for
from benchmarks.device.works import board_energy
from benchmarks.speed.step_profile import profile_updates
from benchmarks.speed.step_speed import RandomBatches, random_batch

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]


def test_the_spans_of_a_training_are_below_its_wall_time(bert) -> None:
    model = bert().cuda()
    timer = timer_for("cuda")
    (log,) = fit(FreeLB(epochs=1), model, RandomBatches(random_batch(8, 16, 100), 20), timer=timer)
    readings = timer.readings()
    assert timer.clock == "cuda" and len(timer.series[log.name]) == 20
    assert 0 < readings["gpu"] + readings["h2d"] <= readings["wall"]


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_a_layer_without_neurons_and_one_with_a_single_head_train(bert, batch, precision) -> None:
    ticket = Ticket(torch.ones(2, 4, dtype=torch.bool), torch.ones(2, 64, dtype=torch.bool))
    ticket.neurons[0], ticket.heads[1, 1:] = False, False
    model = bert(dropout=0.0)
    prune_(model, ticket)
    moved = bert(dropout=0.0)
    prune_(moved, ticket)
    moved = moved.cuda()
    model.eval(), moved.eval()
    given = batch()
    with torch.no_grad():
        ours = moved(**given.to("cuda").inputs()).logits.cpu()
        # Another order of addition in float32; the logits are of size one.
        torch.testing.assert_close(ours, model(**given.inputs()).logits, rtol=1e-4, atol=1e-4)
    before = {name: value.clone() for name, value in moved.state_dict().items()}
    (log,) = fit(FineTune(epochs=1, warmup_ratio=0.0), moved, RandomBatches(given, 3), precision=precision)
    assert all(torch.isfinite(torch.tensor(log.losses)))
    assert any(not torch.equal(value, before[name]) for name, value in moved.state_dict().items())


def test_a_watch_over_a_training_has_samples_and_energy_does_not_run_backwards(bert) -> None:
    joules = board_energy("cuda")
    first = joules()
    with watching(cuda_device(), torch.cuda.max_memory_reserved) as watcher:
        fit(FineTune(epochs=1), bert().cuda(), RandomBatches(random_batch(8, 16, 100), 20))
        torch.cuda.synchronize()
    assert watcher.result.available == "yes" or watcher.result.available.startswith("no: ")
    last = joules()
    assert (first is None) == (last is None) and (first is None or last >= first)


def test_a_profile_counts_kernels_and_not_more_time_than_there_was(bert) -> None:
    found = profile_updates("thin", FineTune(), bert().cuda(), random_batch(8, 16, 100), updates=2, device="cuda")
    assert found.launches > 50 and 0 < found.busy_share <= 1
    assert all(kernel.seconds > 0 for kernel in found.kernels)
