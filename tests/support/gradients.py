"""Gradients of a step, for the tests of the adversarial methods."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from baselines.batch import Batch
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
