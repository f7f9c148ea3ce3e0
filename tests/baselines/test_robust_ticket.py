"""RobusT: three stages, scores alone are learnt, zeros stay zero."""

from __future__ import annotations

import pytest
import torch
from small_set import SmallSet

from baselines import robust_ticket
from baselines.primitives.encoders import masked_linears
from baselines.primitives.weight_masks import WeightMasks
from baselines.robust_ticket import RobustTicket, _search, ramp
from baselines.training import Passes, fit


def short(**changes) -> RobustTicket:
    settings = {"epochs": 1, "first_epochs": 1, "search": _search(epochs=1, steps=2), "learning_rate": 1e-3}
    return RobustTicket(**(settings | changes))


def test_the_penalty_s_ramp() -> None:
    assert [ramp(done) for done in (0.0, 0.1, 0.25, 0.4, 1.0)] == pytest.approx([0, 0, 0.5, 1, 1])
    assert [ramp(3 * done) for done in (1 / 30, 0.4 / 3)] == pytest.approx([0, 1]), "as released"


def test_three_stages_and_their_passes(bert, batch) -> None:
    first, search, last = fit(short(), bert(), SmallSet(batch, 4))
    assert [log.name for log in (first, search, last)] == ["first_fine_tune", "search", "fine_tune"]
    assert search.passes == Passes(8, 8, 0)
    assert search.parameters == 2 * (4 * 32 * 32 + 2 * 32 * 64) + 32 * 32


def test_the_search_moves_scores_and_no_weight(bert, batch, monkeypatch: pytest.MonkeyPatch) -> None:
    model, states, scores = bert(), [], []
    make, draw = WeightMasks.__init__, WeightMasks.draw

    def spy_make(self, model):
        states.append({name: value.clone() for name, value in model.state_dict().items()})
        make(self, model)

    def spy_draw(self, sparsity):
        scores.extend(each.detach().clone() for each in self.scores)
        states.append({n: linear.parametrizations.weight.original.clone() for n, linear in masked_linears(model)})
        return draw(self, sparsity)

    monkeypatch.setattr(WeightMasks, "__init__", spy_make)
    monkeypatch.setattr(WeightMasks, "draw", spy_draw)
    fit(short(), model, SmallSet(batch, 4))
    before, after = states
    assert all(torch.equal(before[f"{name}.weight"], value) for name, value in after.items())
    assert any((each != each.flatten()[0]).any() for each in scores)


@pytest.mark.parametrize("legacy", [False, True])
def test_the_ticket_has_its_zeros_and_trains_the_rest(bert, batch, legacy: bool) -> None:
    model, fresh = bert(), dict(masked_linears(bert()))
    fit(short(sparsity=0.3, legacy_clip=legacy), model, SmallSet(batch, 4))
    linears = dict(masked_linears(model))
    zeros = sum(int((linear.weight == 0).sum()) for linear in linears.values())
    total = sum(linear.weight.numel() for linear in linears.values())
    assert zeros == total - round(0.7 * total)
    assert any(not torch.equal(linears[name].weight, fresh[name].weight) for name in linears)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_task_settings_are_the_paper_s() -> None:
    sst2, qnli, imdb = (RobustTicket.for_task(task) for task in ("sst2", "qnli", "imdb"))
    assert (sst2.sparsity, sst2.search.ascent.steps, sst2.search.learning_rate, sst2.penalty) == (0.3, 5, 0.1, 0.5)
    assert (qnli.sparsity, qnli.search.ascent.steps, qnli.search.ascent.step_size, qnli.penalty) == (0.3, 3, 0.04, 0.1)
    assert imdb.sparsity == 0.2
    assert sst2.search.weight_decay == 1e-6


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match=r"RobustTicket.penalty must be 0 or more, got -1"):
        RobustTicket(penalty=-1)


def test_the_ramp_counts_updates_from_one(bert, batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the release does: after a quarter of the updates the penalty has half its weight."""
    asked = []
    monkeypatch.setattr(robust_ticket, "ramp", lambda done: asked.append(done) or 0.0)
    fit(short(), bert(), SmallSet(batch, 20))
    assert asked[1:] == [update / 20 for update in range(2, 21)]
    assert asked[0] == 0, "the first update, whose share of the search it has not heard of"


def test_its_released_settings_clip_the_search_alone(bert) -> None:
    released = RobustTicket.released()
    assert (released.max_grad_norm, released.search.max_grad_norm) == (None, 1.0)
    assert released.released_ramp and released.legacy_clip and not released.pass_token_types
    assert next(released.stages(bert())).max_grad_norm is None
    assert RobustTicket().max_grad_norm == 1.0, "the paper clips"
