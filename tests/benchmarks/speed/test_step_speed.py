"""Updates are counted as the cost model counts them, and timed in the loop that trains."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from baselines.training import Passes
from benchmarks.clock.cost import EncoderShape
from benchmarks.speed.step_speed import pruned_, random_batch, random_bert, time_steps

TINY = EncoderShape(layers=2, hidden=48, heads=6, neurons=64)


def test_every_method_is_timed_with_its_passes() -> None:
    timings = {timing.method: timing for timing in time_steps(shape=TINY, lengths=(8,), texts=2, updates=2)}
    assert timings["Fine-tune"].passes == Passes(1, 1, 0) and timings["Fine-tune"].predicted == 1
    assert timings["PGD-3"].passes == Passes(4, 1, 3) and timings["PGD-3"].predicted == 3
    assert timings["FreeLB-3"].passes == Passes(3, 3, 0) and timings["FreeLB-3"].predicted == 3
    assert timings["InfoBERT-3"].passes == Passes(3, 3, 3) and timings["InfoBERT-3"].predicted == 4
    assert timings["PGD-3, as released"].passes == Passes(4, 4, 0)
    assert timings["PGD-3, as released"].predicted == 4
    assert timings["InfoBERT-3, as released"].predicted == 5
    assert 0.7 < timings["Fine-tune, pruned"].predicted < 0.8
    assert all(timing.seconds > 0 and 0 <= timing.off_clock_share < 1 for timing in timings.values())


def test_padding_changes_no_gradient() -> None:
    model = random_bert(TINY).eval()

    def gradient(batch) -> torch.Tensor:
        model.zero_grad()
        torch.manual_seed(0)
        nn.functional.cross_entropy(model(**batch.inputs()).logits, batch.labels).backward()
        return model.bert.encoder.layer[0].output.dense.weight.grad.clone()

    plain, padded = (gradient(random_batch(2, 8, 100, to)) for to in (None, 20))
    torch.testing.assert_close(plain, padded, atol=1e-6, rtol=1e-5)


def test_the_pruned_model_lost_a_sixth_of_its_heads() -> None:
    model = pruned_(random_bert(TINY))
    assert sum(map(len, model.config.kept_heads)) == pytest.approx(12 * 5 / 6, abs=1)
