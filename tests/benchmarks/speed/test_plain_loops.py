"""The plain loops leave the gradients that the suite's steps leave: what is compared differs in cost alone."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from baselines.fine_tune import FineTune
from baselines.smart import SMART
from benchmarks.speed.loop_speed import fresh_dropout, measured_stage, searches
from benchmarks.speed.plain_loops import padded_to, plain_step
from benchmarks.speed.stages import open_stage
from benchmarks.speed.step_speed import measured_methods

METHODS = fresh_dropout(measured_methods()) | searches()
# Sums in another order, over a few hundred terms in single precision.
ROUNDING = 1e-5


def gradients_of_the_suite(defense, model, batch) -> list[torch.Tensor | None]:
    """The gradients of one step of the stage that is measured, before the loop clips them."""
    model.train()
    stage = open_stage(defense, measured_stage(defense), model, batch)
    torch.manual_seed(3)
    stage.step(batch)
    return [parameter.grad for parameter in stage.parameters]


def gradients_of_the_plain_loop(defense, model, batch) -> list[torch.Tensor | None]:
    model.train()
    step, parameters = plain_step(defense, model)
    torch.manual_seed(3)
    step(batch)
    return [parameter.grad for parameter in parameters]


def assert_same(ours: list[torch.Tensor | None], plain: list[torch.Tensor | None]) -> None:
    """To a part in 100,000 of the largest gradient."""
    largest = max(float(each.abs().max()) for each in ours if each is not None)
    for first, second in zip(ours, plain, strict=True):
        assert (first is None) == (second is None)
        assert first is None or torch.allclose(first, second, atol=ROUNDING * largest, rtol=0)


def unclipped(defense):
    """The same without clipping inside a step."""
    defense = replace(defense, max_grad_norm=None)
    if not hasattr(defense, "search"):
        return defense
    return replace(defense, search=replace(defense.search, max_grad_norm=None))


def from_the_clean_text(defense):
    """The same, from the clean text, since noise is drawn for padding too."""
    if hasattr(defense, "search"):
        return replace(defense, search=defense.search.changed(init_magnitude=0.0))
    return defense.changed(init_magnitude=0.0) if "init_magnitude" in defense.settings() else defense


@pytest.mark.parametrize("title", METHODS)
def test_same_seed_same_gradients(bert, batch, title: str) -> None:
    defense, texts = unclipped(METHODS[title]), batch((8, 8, 8, 8))
    model = bert(dropout=0.1)
    ours = gradients_of_the_suite(defense, copy.deepcopy(model), texts)
    assert_same(ours, gradients_of_the_plain_loop(defense, copy.deepcopy(model), texts))


# RobusT's masks are drawn after the start's noise, whose numbers the padding takes part in.
@pytest.mark.parametrize("title", [title for title in METHODS if not title.startswith("RobusT")])
def test_padding_costs_time_and_changes_nothing(bert, batch, title: str) -> None:
    defense, texts = from_the_clean_text(unclipped(METHODS[title])), batch((9, 5, 7, 3))
    model = bert(dropout=0.0)
    ours = gradients_of_the_suite(defense, copy.deepcopy(model), texts)
    assert_same(ours, gradients_of_the_plain_loop(defense, copy.deepcopy(model), padded_to(texts, 20)))


def test_only_methods_with_a_release_of_their_own_have_a_plain_loop(bert) -> None:
    assert plain_step(FineTune(), bert())
    with pytest.raises(ValueError, match="no plain loop of SMART"):
        plain_step(SMART(), bert())
