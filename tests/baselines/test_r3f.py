"""R3F: the distance between a text's prediction and that under noise."""

from __future__ import annotations

import pytest
import torch
from gradients import assert_equal, gradients, passes

from baselines.fine_tune import FineTune
from baselines.primitives.divergence import divergence
from baselines.primitives.perturbation import embed, forward
from baselines.r3f import R3F
from baselines.training import Passes


def test_without_noise_it_is_fine_tuning(bert, batch) -> None:
    """The two passes are equal, so that their distance and its gradient are zero."""
    model, one = bert(dropout=0.0), batch()
    assert_equal(gradients(R3F(radius=0).step, model, one), gradients(FineTune().step, model, one), rtol=0, atol=1e-7)


def test_with_one_mask_of_dropout_the_noise_alone_moves_the_prediction(bert, batch) -> None:
    model, one = bert(dropout=0.3), batch()
    plain, shared, fresh = (
        gradients(R3F(radius=0, **settings).step, model, one)["classifier.weight"]
        for settings in ({"smoothness": 0}, {}, {"dropout": "fresh"})
    )
    assert (shared - plain).norm() < 1e-5 * plain.norm() < 0.01 * (fresh - plain).norm()


@pytest.mark.parametrize("noise", ["uniform", "normal"])
def test_its_loss_is_that_of_the_paper(bert, batch, monkeypatch: pytest.MonkeyPatch, noise: str) -> None:
    model, one, r3f = bert(dropout=0.0), batch(), R3F(radius=0.3, smoothness=2.0, noise=noise)
    embedded = embed(model, one)
    drawn = r3f.draw(embedded)
    monkeypatch.setattr(R3F, "draw", lambda *_: drawn)
    clean = model(**one.inputs()).logits
    noisy = forward(model, embedded + drawn * one.attention_mask.unsqueeze(-1), one).logits
    expected = torch.nn.functional.cross_entropy(clean, one.labels) + 2 * divergence(clean, noisy).mean()
    torch.testing.assert_close(r3f.step(model, one), expected.detach())
    assert divergence(clean, noisy).mean() > 1e-3


def test_uniform_noise_is_bounded_and_normal_noise_has_its_deviation() -> None:
    shape = torch.empty(4, 50, 64)
    assert R3F(radius=0.1).draw(shape).abs().max() <= 0.1
    torch.testing.assert_close(R3F(radius=0.1, noise="normal").draw(shape).std(), torch.tensor(0.1), rtol=0.05, atol=0)


def test_it_makes_two_of_each_pass(bert, batch) -> None:
    assert passes(R3F().step, bert(), batch()) == Passes(2, 2, 0)


def test_the_release_draws_dropout_twice() -> None:
    assert R3F.released() == R3F(dropout="fresh")


def test_a_negative_radius_is_refused() -> None:
    with pytest.raises(ValueError, match=r"R3F.radius must be 0 or more, got -1"):
        R3F(radius=-1)
