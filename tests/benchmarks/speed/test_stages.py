"""Stages are opened in the paper's order without training; counters are those of the cost model."""

from __future__ import annotations

import pytest
import torch

from baselines.adv_hotflip import AdvHotflip
from baselines.ascc import Ascc
from baselines.early_bert import EarlyBert
from baselines.fine_tune import FineTune
from baselines.pgd import PGD
from baselines.rift import Rift
from baselines.robust_ticket import RobustTicket
from benchmarks.clock.cost import EncoderShape, layer_flops
from benchmarks.speed.stages import exact_counters, open_stage, stage_names, step_and_clear
from benchmarks.speed.step_speed import random_batch, random_bert
from method.early_robust import EarlyRobust

TINY = EncoderShape(layers=2, hidden=48, heads=4, neurons=64)


def test_names_come_in_the_papers_order() -> None:
    assert stage_names(FineTune()) == ["train"]
    assert stage_names(EarlyBert()) == ["search", "fine_tune"]
    assert stage_names(RobustTicket()) == ["first_fine_tune", "search", "fine_tune"]
    assert stage_names(EarlyRobust()) == ["search", "fine_tune"]


@pytest.mark.parametrize("defense", [Rift(), Ascc(), AdvHotflip(rounds=1), EarlyRobust(search=Ascc(epochs=1))])
def test_what_needs_more_than_tokens_is_opened_too(defense) -> None:
    assert stage_names(defense)[0] in ("train", "search")


def test_an_unknown_stage_is_refused() -> None:
    with pytest.raises(ValueError, match="FineTune has no stage 'search'"):
        open_stage(FineTune(), "search", random_bert(TINY), random_batch(2, 8, 100))


def test_a_step_makes_no_update_and_leaves_no_gradient() -> None:
    model, batch = random_bert(TINY), random_batch(2, 8, 100)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    step_and_clear(open_stage(PGD().changed(steps=1), "train", model, batch), batch)
    assert all(torch.equal(*pair) for pair in zip(before, model.parameters(), strict=True))
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_pruned_stage_is_pruned() -> None:
    model, batch = random_bert(TINY), random_batch(2, 8, 100)
    open_stage(EarlyRobust(), "fine_tune", model, batch)
    assert sum(map(len, model.config.kept_neurons)) < 2 * 64


def test_counters_are_exact() -> None:
    model, batch = random_bert(TINY), random_batch(2, 8, 100)
    stage = open_stage(PGD().changed(steps=2), "train", model, batch)
    found = exact_counters(model, stage.parameters, lambda: step_and_clear(stage, batch))
    assert (found["n_forward"], found["n_backward_full"], found["n_backward_input"]) == (3, 1, 2)
    assert found["parameters"] == sum(parameter.numel() for parameter in model.parameters())


def test_flops_of_a_forward_are_those_of_the_cost_model() -> None:
    """Attention's products are among them; pooler and classifier come on top."""
    model, batch = random_bert(TINY).eval(), random_batch(2, 8, 100)
    with torch.no_grad():
        found = exact_counters(model, list(model.parameters()), lambda: model(**batch.inputs()))["flops"]
    head = 2 * (48 * 48 + 48 * 2)
    assert found == 2 * (2 * layer_flops(TINY, 8, TINY.heads, TINY.neurons) + head)
