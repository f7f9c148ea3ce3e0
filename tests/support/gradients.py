"""Gradients of a step, for the tests of the adversarial methods."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from baselines.batch import Batch
from baselines.primitives.perturbation import Ascent
from baselines.training import CountPasses, Passes


def gradients(
    step: Callable[[nn.Module, Batch], Tensor], model: nn.Module, batch: Batch, seed: int = 5
) -> dict[str, Tensor]:
    """The parameters' gradients after one step from a fixed random state, by name; the model's own are cleared."""
    model.train()
    model.zero_grad()
    torch.manual_seed(seed)
    step(model, batch)
    found = {name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None}
    model.zero_grad()
    return found


def assert_equal(first: dict[str, Tensor], second: dict[str, Tensor], **tolerance: float) -> None:
    """Bit-equal, or within a tolerance where one is given."""
    assert first.keys() == second.keys()
    for name in first:
        torch.testing.assert_close(first[name], second[name], **({"rtol": 0, "atol": 0} | tolerance))


def passes(step: Callable[[nn.Module, Batch], Tensor], model: nn.Module, batch: Batch) -> Passes:
    """The passes of one step."""
    with CountPasses(model, list(model.parameters())) as counted:
        step(model, batch)
    return counted


def climbs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Tensor, Tensor]]:
    """From now on, where each step of an ascent starts, and the gradient that it takes."""
    seen, climb = [], Ascent.climb

    def spy(self, delta, grad, mask):
        seen.append((delta.detach().clone(), grad.clone()))
        return climb(self, delta, grad, mask)

    monkeypatch.setattr(Ascent, "climb", spy)
    return seen
