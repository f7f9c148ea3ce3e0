"""SAM and ASAM: the step to the worst weights, and the gradient taken there."""

from __future__ import annotations

import copy

import pytest
import torch
from gradients import assert_equal, gradients, passes

from baselines.fine_tune import FineTune
from baselines.sam import SAM
from baselines.training import Passes


@pytest.mark.parametrize("adaptive", [False, True])
def test_it_takes_the_gradient_at_the_shifted_weights(bert, batch, adaptive: bool) -> None:
    """The same as moving the weights by the formula and fine-tuning there, with one mask of dropout."""
    model, one = bert(dropout=0.1), batch()
    sam = SAM(adaptive=adaptive)
    own = gradients(sam.step, model, one)
    here, moved = gradients(FineTune().step, model, one), copy.deepcopy(model)
    scale = {name: weight.abs() + 0.01 if adaptive else 1.0 for name, weight in model.named_parameters()}
    norm = torch.cat([(scale[name] * grad).flatten() for name, grad in here.items()]).norm()
    with torch.no_grad():
        for name, weight in moved.named_parameters():
            weight += (0.5 if adaptive else 0.05) * scale[name] ** 2 * here[name] / norm
    assert_equal(own, gradients(FineTune().step, moved, one), rtol=1e-4, atol=1e-6)


def test_its_step_is_as_long_as_its_radius(bert, batch) -> None:
    model = bert(dropout=0.0)
    FineTune().step(model, batch())
    shifts = SAM(radius=0.2).shifts(dict(model.named_parameters()))
    torch.testing.assert_close(torch.cat([shift.flatten() for shift in shifts.values()]).norm(), torch.tensor(0.2))


def test_it_raises_the_loss(bert, batch) -> None:
    model, one = bert(dropout=0.0), batch()
    assert SAM().step(model, one) > FineTune().step(model, one)


def test_it_makes_two_of_each_pass(bert, batch) -> None:
    assert passes(SAM().step, bert(), batch()) == Passes(2, 2, 0)


def test_a_radius_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match=r"SAM.radius must be positive, or None for the papers' values, got 0"):
        SAM(radius=0)
