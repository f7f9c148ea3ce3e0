"""FreeLB: one step from zero is fine-tuning; K steps are the mean over the points of the ascent."""

from __future__ import annotations

import pytest
import torch
from gradients import assert_equal, gradients, passes

from baselines.batch import Batch
from baselines.fine_tune import FineTune
from baselines.freelb import FreeLB
from baselines.primitives.perturbation import Ascent, embed, forward
from baselines.training import Passes


def test_one_step_from_zero_is_fine_tuning_with_dropout_on(bert, batch) -> None:
    model, one = bert(dropout=0.1), batch()
    freelb = FreeLB().changed(steps=1, init_magnitude=0)
    assert_equal(gradients(freelb.step, model, one), gradients(FineTune().step, model, one))


def test_no_movement_is_fine_tuning_at_any_k(bert, batch) -> None:
    """K equal terms of 1/K: the sum differs by rounding alone."""
    model, one = bert(dropout=0.1), batch()
    still = FreeLB().changed(steps=3, init_magnitude=0, step_size=0)
    assert_equal(gradients(still.step, model, one), gradients(FineTune().step, model, one), rtol=1e-4, atol=1e-6)


def test_a_tiny_ball_is_almost_fine_tuning(bert, batch) -> None:
    model, one = bert(dropout=0.0), batch()
    tiny = gradients(FreeLB().changed(steps=3, init_magnitude=0, max_norm=1e-6).step, model, one)
    plain = gradients(FineTune().step, model, one)
    difference = torch.cat([(tiny[name] - plain[name]).flatten() for name in plain]).norm()
    assert difference / torch.cat([value.flatten() for value in plain.values()]).norm() < 1e-3


def recorded(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """Every perturbation from the start on, as FreeLB runs."""
    deltas: list[torch.Tensor] = []
    start, climb = Ascent.start, Ascent.climb

    def spy_start(self, embedded, mask):
        deltas.append(start(self, embedded, mask))
        return deltas[-1].clone()

    def spy_climb(self, delta, grad, mask):
        deltas.append(climb(self, delta, grad, mask))
        return deltas[-1].clone()

    monkeypatch.setattr(Ascent, "start", spy_start)
    monkeypatch.setattr(Ascent, "climb", spy_climb)
    return deltas


def at(deltas: list[torch.Tensor]):
    """A step that takes the mean loss over fixed points."""

    def step(model, batch):
        total = 0.0
        for delta in deltas:
            logits = forward(model, embed(model, batch) + delta, batch).logits
            total = total + torch.nn.functional.cross_entropy(logits, batch.labels) / len(deltas)
        total.backward()
        return total.detach()

    return step


def test_the_gradient_is_the_mean_over_the_points(bert, batch, monkeypatch: pytest.MonkeyPatch) -> None:
    model, one = bert(dropout=0.0), batch()
    deltas = recorded(monkeypatch)
    accumulated = gradients(FreeLB().changed(steps=3).step, model, one)
    assert len(deltas) == 3
    assert_equal(accumulated, gradients(at(deltas), model, one), rtol=1e-4, atol=1e-7)


def test_it_is_a_batch_of_perturbed_copies(bert, batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """K * B stacked texts in one pass: the same gradient, up to the order of sums in float32."""
    model, one = bert(dropout=0.0), batch()
    deltas = recorded(monkeypatch)
    accumulated = gradients(FreeLB().changed(steps=3).step, model, one)
    copies = Batch(*(torch.cat([value] * 3) for value in vars(one).values() if isinstance(value, torch.Tensor)))
    stacked = gradients(at([torch.cat(deltas)]), model, copies)
    assert_equal(accumulated, stacked, rtol=1e-4, atol=1e-6)


def test_perturbations_are_zero_on_padding_and_confined(bert, batch, monkeypatch: pytest.MonkeyPatch) -> None:
    one = batch()
    deltas = recorded(monkeypatch)
    FreeLB().changed(steps=4, max_norm=0.06).step(bert(), one)
    for delta in deltas:
        assert (delta * (1 - one.attention_mask).unsqueeze(-1) == 0).all()
    for delta in deltas[1:]:
        assert (delta.flatten(1).norm(dim=1) <= 0.06 * (1 + 1e-5)).all()


def test_the_ascent_raises_the_loss(bert, batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Averaged over batches, with small steps and dropout off."""
    model = bert(dropout=0.0)
    rises = []
    for seed in range(8):
        one = batch(seed=seed)
        with monkeypatch.context() as patch:
            deltas = recorded(patch)
            gradients(FreeLB().changed(steps=2, step_size=0.01).step, model, one)
        with torch.no_grad():
            losses = [
                torch.nn.functional.cross_entropy(forward(model, embed(model, one) + d, one).logits, one.labels)
                for d in deltas
            ]
        rises.append(losses[1] - losses[0])
    assert torch.stack(rises).mean() > 0


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_its_passes_are_those_of_the_cost_table(bert, batch, steps: int) -> None:
    assert passes(FreeLB().changed(steps=steps).step, bert(), batch()) == Passes(steps, steps, 0)


def test_shared_and_fresh_dropout_differ(bert, batch) -> None:
    model, one = bert(dropout=0.3), batch()
    shared, fresh = (gradients(FreeLB(dropout=mode).step, model, one) for mode in ("shared", "fresh"))
    assert any(not torch.equal(shared[name], fresh[name]) for name in shared)


def test_a_constant_classifier_leaves_the_perturbation_where_it_was(
    bert, batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = bert(dropout=0.0)
    torch.nn.init.zeros_(model.classifier.weight)
    deltas = recorded(monkeypatch)
    loss = FreeLB().changed(steps=3).step(model, batch())
    assert torch.isfinite(loss)
    assert all(torch.equal(delta, deltas[0]) for delta in deltas)


def test_random_state_advances_between_steps(bert, batch) -> None:
    model, one = bert(dropout=0.1), batch()
    torch.manual_seed(0)
    assert FreeLB().step(model, one) != FreeLB().step(model, one)


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match=r"FreeLB.steps must be 1 or more, got 0"):
        FreeLB().changed(steps=0)
