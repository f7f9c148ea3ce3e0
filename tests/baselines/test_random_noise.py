"""Random noise as long as FreeLB's perturbation."""

from __future__ import annotations

import pytest
import torch
from gradients import assert_equal, gradients, passes

from baselines.freelb import FreeLB
from baselines.primitives.perturbation import Ascent
from baselines.random_noise import RandomNoise
from baselines.training import Passes


def test_one_point_is_freelb_s_first(bert, batch) -> None:
    model, one = bert(dropout=0.1), batch()
    noise, freelb = (each().changed(steps=1) for each in (RandomNoise, FreeLB))
    assert_equal(gradients(noise.step, model, one), gradients(freelb.step, model, one))


def test_it_is_as_long_as_freelb_s_perturbation(bert, batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a tenth, text by text: the gradient turns a little between steps, and may lean on the start."""
    seen, climb = [], Ascent.climb
    monkeypatch.setattr(Ascent, "climb", lambda *given: seen.append(climb(*given)) or seen[-1])
    noise, model, one = RandomNoise(), bert(dropout=0.0), batch()
    gradients(FreeLB().step, model, one)
    torch.manual_seed(5)
    start = noise.ascent.start(model.get_input_embeddings()(one.input_ids), one.attention_mask)
    for moves, delta in enumerate(seen, start=1):
        own, other = (each.flatten(1).norm(dim=1) for each in (noise.noise(start, moves), delta))
        torch.testing.assert_close(own, other, rtol=0.1, atol=0)


def test_it_stays_in_the_ball_and_a_start_of_zero_stays_zero(bert, batch) -> None:
    start = torch.randn(2, 3, 4)
    bounded = RandomNoise().changed(max_norm=0.1).noise(start, 2)
    torch.testing.assert_close(bounded.flatten(1).norm(dim=1), torch.full((2,), 0.1))
    assert not RandomNoise().noise(torch.zeros(2, 3, 4), 2).any()


def test_it_costs_what_freelb_does(bert, batch) -> None:
    assert passes(RandomNoise().changed(steps=3).step, bert(), batch()) == Passes(3, 3, 0)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"steps": 0}, "RandomNoise.steps must be 1 or more, got 0"),
        ({"norm": "linf"}, "RandomNoise.norm must be 'l2', got 'linf'"),
        ({"unit": "token"}, "RandomNoise.unit must be 'text', got 'token'"),
    ],
)
def test_bad_settings_are_refused(settings: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        RandomNoise().changed(**settings)
