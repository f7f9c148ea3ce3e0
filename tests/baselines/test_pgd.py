"""PGD: its gradient is that of the loss at the end point, and nothing else."""

from __future__ import annotations

import pytest
import torch
from gradients import assert_equal, gradients, passes

from baselines.fine_tune import FineTune
from baselines.freelb import FreeLB
from baselines.pgd import PGD
from baselines.primitives.perturbation import Ascent, embed, forward
from baselines.training import Passes


def test_no_steps_from_zero_is_fine_tuning(bert, batch) -> None:
    model, one = bert(dropout=0.1), batch()
    pgd = PGD().changed(steps=0, init_magnitude=0)
    assert_equal(gradients(pgd.step, model, one), gradients(FineTune().step, model, one))


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_its_gradient_is_freelb_s_last_term(bert, batch, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """FreeLB's K + 1 points end where PGD's K steps do; the last term is recomputed at that fixed point."""
    model, one, deltas = bert(dropout=0.0), batch(), []
    climb = Ascent.climb

    def spy(self, delta, grad, mask):
        deltas.append(climb(self, delta, grad, mask))
        return deltas[-1]

    monkeypatch.setattr(Ascent, "climb", spy)
    gradients(FreeLB().changed(steps=steps + 1).step, model, one)
    end = deltas[-1].detach()

    def at_end(model, batch):
        loss = torch.nn.functional.cross_entropy(forward(model, embed(model, batch) + end, batch).logits, batch.labels)
        loss.backward()
        return loss

    own, other = (gradients(step, model, one) for step in (PGD().changed(steps=steps).step, at_end))
    assert_equal(own, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dropout", ["shared", "fresh"])
def test_both_ascents_give_the_same_gradient(bert, batch, dropout) -> None:
    model, one = bert(dropout=0.1), batch()
    lean, released = (PGD(dropout=dropout, ascent_backward=kind) for kind in ("input", "full"))
    assert_equal(gradients(lean.step, model, one), gradients(released.step, model, one))


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_its_passes_are_those_of_the_cost_table(bert, batch, steps: int) -> None:
    assert passes(PGD().changed(steps=steps).step, bert(), batch()) == Passes(steps + 1, 1, steps)
    released = PGD().changed(steps=steps, ascent_backward="full")
    assert passes(released.step, bert(), batch()) == Passes(steps + 1, steps + 1, 0)


def test_no_parameter_has_a_gradient_before_the_last_pass(bert, batch, monkeypatch: pytest.MonkeyPatch) -> None:
    model = bert()
    climb = Ascent.climb

    def watched(self, delta, grad, mask):
        assert all(parameter.grad is None for parameter in model.parameters())
        return climb(self, delta, grad, mask)

    monkeypatch.setattr(Ascent, "climb", watched)
    PGD().changed(steps=3).step(model, batch())
    assert all(parameter.grad is not None for parameter in model.classifier.parameters())


@pytest.mark.parametrize("lengths", [(2,), (1,), (9, 2)])
def test_short_texts_and_single_batches_work(bert, batch, lengths) -> None:
    assert torch.isfinite(PGD().changed(steps=2).step(bert(), batch(lengths)))


def test_an_all_padding_row_gives_a_finite_loss(bert, batch) -> None:
    one = batch((5, 3))
    one.attention_mask[1] = 0
    assert torch.isfinite(PGD().changed(steps=2).step(bert(), one))


def test_bf16_leaves_finite_gradients(bert, batch) -> None:
    model = bert()
    with torch.autocast("cpu", torch.bfloat16):
        PGD().changed(steps=2).step(model, batch())
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="max_norm must be positive"):
        PGD().changed(max_norm=0.0)
