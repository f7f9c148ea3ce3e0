"""The plain loops leave the gradients that the suite's steps leave: what is compared differs in cost alone."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from baselines.early_bert import EarlyBert
from baselines.fine_tune import FineTune
from baselines.training import fit
from benchmarks.speed.loop_speed import GivenBatches, fresh_dropout
from benchmarks.speed.plain_loops import padded_to, plain_step
from benchmarks.speed.step_speed import measured_methods

METHODS = fresh_dropout(measured_methods())
# Sums in another order, over a few hundred terms in single precision.
ROUNDING = 1e-5


def gradients_of_the_suite(defense, model, batch) -> dict[str, torch.Tensor]:
    """The gradient of the first update, before clipping."""
    found: dict[str, torch.Tensor] = {}

    class Stop(Exception):
        pass

    def keep(optimizer, *_) -> None:
        found.update({name: each.grad.clone() for name, each in model.named_parameters() if each.grad is not None})
        raise Stop

    model.train()
    handle = register_optimizer_step_pre_hook(keep)
    try:
        fit(defense, model, GivenBatches([batch]))
    except Stop:
        return found
    finally:
        handle.remove()
    raise AssertionError("no update was made")


def gradients_of_the_plain_loop(defense, model, batch) -> dict[str, torch.Tensor]:
    model.train()
    step, _ = plain_step(defense, model)
    step(batch)
    return {name: each.grad for name, each in model.named_parameters() if each.grad is not None}


@pytest.mark.parametrize("title", METHODS)
def test_same_seed_same_gradients(bert, batch, title: str) -> None:
    defense = replace(METHODS[title], max_grad_norm=None)
    model = bert(dropout=0.1)
    texts = batch((8, 8, 8, 8))
    torch.manual_seed(3)
    ours = gradients_of_the_suite(defense, copy.deepcopy(model), texts)
    torch.manual_seed(3)
    plain = gradients_of_the_plain_loop(defense, copy.deepcopy(model), texts)
    assert ours.keys() == plain.keys()
    largest = max(each.abs().max() for each in ours.values())
    for name, gradient in ours.items():
        assert torch.allclose(gradient, plain[name], atol=ROUNDING * float(largest), rtol=0), name


@pytest.mark.parametrize("title", METHODS)
def test_padding_costs_time_and_changes_nothing(bert, batch, title: str) -> None:
    """Without dropout and from the clean text, since noise is drawn for padding too."""
    defense = replace(METHODS[title], max_grad_norm=None)
    if hasattr(defense, "init_magnitude"):
        defense = replace(defense, init_magnitude=0.0)
    model = bert(dropout=0.0)
    texts = batch((9, 5, 7, 3))
    ours = gradients_of_the_suite(defense, copy.deepcopy(model), texts)
    plain = gradients_of_the_plain_loop(defense, copy.deepcopy(model), padded_to(texts, 20))
    largest = max(each.abs().max() for each in ours.values())
    for name, gradient in ours.items():
        assert torch.allclose(gradient, plain[name], atol=ROUNDING * float(largest), rtol=0), name


def test_only_methods_with_a_release_of_their_own_have_a_plain_loop(bert) -> None:
    assert plain_step(FineTune(), bert())
    with pytest.raises(ValueError, match="no plain loop of EarlyBERT"):
        plain_step(EarlyBert(), bert())
