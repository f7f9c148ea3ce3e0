"""FreeLB++: FreeLB with no ball, whose perturbation goes as far as its steps reach."""

from __future__ import annotations

import pytest
import torch
from gradients import assert_equal, gradients, passes

from baselines.freelb import FreeLB
from baselines.freelb_plus_plus import FreeLBPlusPlus
from baselines.primitives.perturbation import Ascent
from baselines.training import Passes


@pytest.mark.parametrize("steps", [1, 5])
def test_it_is_unbounded_freelb_as_textdefender_runs_it(bert, batch, steps: int) -> None:
    model, one = bert(dropout=0.1), batch()
    freelb = FreeLB().changed(steps=steps, step_size=0.03, init_magnitude=0.05, max_norm=None, dropout="fresh")
    assert_equal(gradients(FreeLBPlusPlus(steps=steps).step, model, one), gradients(freelb.step, model, one))


def test_the_perturbation_leaves_freelb_s_ball_and_stays_within_reach(
    bert, batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One step of 0.5 from a start of at most 0.05 is beyond 0.4, where FreeLB at such a bound would be held."""
    norms, climb = [], Ascent.climb

    def spy(self, delta, grad, mask):
        moved = climb(self, delta, grad, mask)
        norms.append(moved.flatten(1).norm(dim=1))
        return moved

    monkeypatch.setattr(Ascent, "climb", spy)
    FreeLBPlusPlus(steps=4, step_size=0.5).step(bert(dropout=0.0), batch())
    assert len(norms) == 3
    assert (norms[0] > 0.4).all()
    assert all((norm <= 0.05 + (number + 1) * 0.5 + 1e-5).all() for number, norm in enumerate(norms))


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_its_passes_are_those_of_the_cost_table(bert, batch, steps: int) -> None:
    assert passes(FreeLBPlusPlus(steps=steps).step, bert(), batch()) == Passes(steps, steps, 0)


def test_thirty_steps_are_known_for_ag_news() -> None:
    assert FreeLBPlusPlus.for_task("ag_news").steps == 30


def test_bad_settings_are_refused_and_there_is_no_bound_to_set() -> None:
    with pytest.raises(ValueError, match=r"FreeLB.steps must be 1 or more, got 0"):
        FreeLBPlusPlus(steps=0)
    assert "max_norm" not in FreeLBPlusPlus().settings()


def test_the_random_state_advances_between_steps(bert, batch) -> None:
    model, one = bert(dropout=0.1), batch()
    torch.manual_seed(0)
    assert FreeLBPlusPlus(steps=2).step(model, one) != FreeLBPlusPlus(steps=2).step(model, one)
