"""CreAT: an ascent against the loss and the context."""

from __future__ import annotations

import pytest
import torch
from gradients import assert_equal, climbs, gradients, passes

from baselines.creat import CreAT, first_state
from baselines.fine_tune import FineTune
from baselines.primitives.perturbation import Ascent, embed, forward
from baselines.training import Passes


def test_without_movement_it_is_fine_tuning(bert, batch) -> None:
    """Two halves of one loss."""
    model, one = bert(dropout=0.0), batch()
    still = CreAT().changed(steps=1, init_magnitude=0)
    assert_equal(gradients(still.step, model, one), gradients(FineTune().step, model, one), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_its_passes_are_those_of_the_cost_table(bert, batch, steps: int) -> None:
    """One point has no ascent and costs 1 + 1 + 4 units."""
    assert passes(CreAT().changed(steps=steps).step, bert(), batch()) == Passes(steps + 1, 2, steps - 1)


@pytest.mark.parametrize(("weight", "times"), [(0.0, 0.0), (3.0, 3.0), ("released", 4.0)])
def test_the_ascent_raises_the_loss_and_leaves_the_context(bert, batch, monkeypatch, weight, times: float) -> None:
    """The release's sum over four texts weighs four times the mean."""
    model, one, seen = bert(dropout=0.0), batch(), climbs(monkeypatch)
    CreAT(context_weight=weight).step(model, one)
    ((delta, own),) = seen
    context = first_state(model(**one.inputs(), output_hidden_states=True)).detach()
    delta.requires_grad_()
    moved = forward(model, embed(model, one).detach() + delta, one, output_hidden_states=True)
    cosine = torch.nn.functional.cosine_similarity(first_state(moved), context, dim=-1).mean()
    objective = torch.nn.functional.cross_entropy(moved.logits, one.labels) - times * cosine
    torch.testing.assert_close(own, torch.autograd.grad(objective, delta)[0], rtol=1e-4, atol=1e-7)


def test_it_trains_within_the_ball(bert, batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """The start is far outside it, and the first step projects."""
    ends, climb = [], Ascent.climb
    monkeypatch.setattr(Ascent, "climb", lambda *given: ends.append(climb(*given)) or ends[-1])
    one = batch()
    CreAT().changed(init_magnitude=1).step(bert(), one)
    torch.testing.assert_close(ends[0].flatten(1).norm(dim=1), torch.full((4,), 0.1))
    assert not (ends[0] * (1 - one.attention_mask).unsqueeze(-1)).any()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"steps": 0}, "CreAT.steps must be 1 or more, got 0"),
        ({"context_weight": -1.0}, "CreAT.context_weight must be 0 or more, or 'released', got -1.0"),
    ],
)
def test_bad_settings_are_refused(settings: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        CreAT().changed(**settings)
