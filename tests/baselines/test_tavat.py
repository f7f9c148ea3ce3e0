"""TAVAT: two perturbations along one gradient, and the table of the words'."""

from __future__ import annotations

import pytest
import torch
from gradients import assert_equal, gradients, passes

from baselines.fine_tune import FineTune
from baselines.freelb import FreeLB
from baselines.tavat import TAVAT, _Table
from baselines.training import Passes


def step(tavat: TAVAT, table: _Table | None = None):
    """A step that begins with a given table, or with a new one."""
    return lambda model, one: tavat.objective(model, one, table or _Table(model, tavat.ascent.init_magnitude))


@pytest.mark.parametrize(("averaged", "times"), [(True, 1.0), (False, 2.0)])
def test_without_movement_it_is_fine_tuning(bert, batch, averaged: bool, times: float) -> None:
    """The release sums the gradients of its K points."""
    model, one = bert(dropout=0.1), batch()
    still = TAVAT(averaged=averaged).changed(steps=2, step_size=0, init_magnitude=0)
    plain = {name: times * value for name, value in gradients(FineTune().step, model, one).items()}
    assert_equal(gradients(step(still, _Table(model, 0)), model, one), plain, rtol=1e-5, atol=1e-7)


def test_the_text_s_perturbation_steps_as_freelb_s_does() -> None:
    tavat, mask = TAVAT().changed(max_norm=None), torch.ones(1, 6, dtype=torch.long)
    torch.manual_seed(0)
    delta, grad = torch.randn(2, 1, 6, 32)
    moved, _ = tavat.climb(delta, torch.zeros_like(delta), grad, mask)
    assert torch.equal(moved, FreeLB(ascent=tavat.ascent).ascent.climb(delta, grad, mask))


def test_words_step_by_their_own_norm_and_are_scaled_by_their_share() -> None:
    tavat = TAVAT().changed(step_size=0.5, max_norm=None)
    grad, mask = torch.tensor([[[3.0, 4.0], [0.0, 1.0], [5.0, 5.0]]]), torch.tensor([[1, 1, 0]])
    eta = torch.tensor([[[0.3, 0.4], [0.0, 0.0], [0.0, 0.0]]])
    _, moved = tavat.climb(torch.zeros(1, 3, 2), eta, grad, mask)
    # Norms of 1 and 0.5 after the step: the first word keeps its own, the second keeps half
    torch.testing.assert_close(moved, torch.tensor([[[0.6, 0.8], [0.0, 0.25], [0.0, 0.0]]]))


def test_the_sum_stays_in_the_ball() -> None:
    torch.manual_seed(0)
    delta, eta, grad = torch.randn(3, 2, 5, 8)
    moved = TAVAT().climb(delta, eta, grad, torch.ones(2, 5, dtype=torch.long))
    torch.testing.assert_close(sum(moved).flatten(1).norm(dim=1), torch.full((2,), 0.5))


@pytest.mark.parametrize("how", ["add", "replace"])
def test_the_table_takes_the_words_back(bert, batch, how: str) -> None:
    """Repeated words add up, or leave their mean; other rows stay, and padding, token 0, adds nothing."""
    table, one = _Table(bert(), 0.2), batch((6, 3))
    one.input_ids[:, :2] = 7
    eta = torch.randn(2, 6, 32) * one.attention_mask.unsqueeze(-1)
    before = table.values.clone()
    table.store(one, eta, how)
    for word in range(100):
        places = (one.input_ids == word) & (one.attention_mask == 1)
        own = eta[places]
        if not len(own):
            assert (how == "replace" and word == 0) or torch.equal(table.values[word], before[word])
        else:
            expected = before[word] + own.sum(0) if how == "add" else own.mean(0)
            torch.testing.assert_close(table.values[word], expected)


def test_rows_are_scaled_by_the_batch_or_each(bert, batch) -> None:
    table, one = _Table(bert(), 0.2), batch()
    rows = table.rows(one)
    torch.testing.assert_close(TAVAT().scaled(rows).norm(), torch.tensor(1.0))
    sizes = TAVAT(row_norm="token").scaled(rows).norm(dim=-1)
    torch.testing.assert_close(sizes, one.attention_mask.float())


def test_a_step_leaves_its_words_perturbation_in_the_table(bert, batch) -> None:
    model, one = bert(), batch()
    table = _Table(model, 0.2)
    before = table.values.clone()
    gradients(step(TAVAT(), table), model, one)
    changed = (table.values != before).any(1).nonzero().flatten().tolist()
    assert changed == sorted(set(one.input_ids[one.attention_mask == 1].tolist()))


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_its_passes_are_those_of_the_cost_table(bert, batch, steps: int) -> None:
    assert passes(step(TAVAT().changed(steps=steps)), bert(), batch()) == Passes(steps, steps, 0)


def test_other_tasks_have_their_own_reach() -> None:
    assert TAVAT.for_task("qqp").ascent.max_norm == 0.7


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"steps": 0}, "TAVAT.steps must be 1 or more, got 0"),
        ({"norm": "linf"}, "TAVAT.norm must be 'l2', got 'linf'"),
        ({"unit": "token"}, "TAVAT.unit must be 'text', got 'token'"),
    ],
)
def test_bad_settings_are_refused(settings: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        TAVAT().changed(**settings)
