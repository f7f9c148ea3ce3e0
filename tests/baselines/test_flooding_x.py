"""Flooding-X: the flooded gradient, and the level found from the accordance of gradients."""

from __future__ import annotations

import itertools

import pytest
import torch
from gradients import assert_equal, gradients
from small_set import SmallSet

from baselines.defense import Progress
from baselines.fine_tune import FineTune
from baselines.flooding_x import FloodingX, _LevelSearch, accordance, flooded_step
from baselines.training import fit
from benchmarks.clock.cost import epoch_units
from benchmarks.experiments.settings import with_settings


def flooded(level: float):
    return lambda model, one: flooded_step(model, one, level)


def test_above_the_level_it_is_fine_tuning_and_below_it_ascends(bert, batch) -> None:
    model, one = bert(dropout=0.1), batch()
    plain = gradients(FineTune().step, model, one)
    assert_equal(gradients(flooded(0.01), model, one), plain)
    assert_equal(gradients(flooded(5.0), model, one), {name: -value for name, value in plain.items()})


def test_accordance_is_the_mean_cosine_of_all_pairs(bert, batch) -> None:
    model, batches = bert(dropout=0.1).train(), [batch(seed=seed) for seed in range(3)]
    model.eval()
    flat = [torch.cat([g.flatten() for g in gradients_in_eval_mode(model, one)]) for one in batches]
    pairs = [torch.cosine_similarity(*pair, dim=0) for pair in itertools.combinations(flat, 2)]
    model.train()
    assert accordance(model, batches) == pytest.approx(float(torch.stack(pairs).mean()), abs=1e-5)
    assert model.training and accordance(model, batches[:1]) == 1.0
    assert accordance(model, [batches[0]] * 2) == pytest.approx(1.0, abs=1e-5)


def gradients_in_eval_mode(model, one):
    loss = torch.nn.functional.cross_entropy(model(**one.inputs()).logits, one.labels)
    return torch.autograd.grad(loss, list(model.parameters()))


def test_the_search_ends_with_the_first_epoch_of_disagreement(bert, batch, monkeypatch: pytest.MonkeyPatch) -> None:
    found = iter([0.4, -0.1, 0.3])
    monkeypatch.setattr("baselines.flooding_x.accordance", lambda *_: next(found))
    model = bert()
    search, train = fit(FloodingX(epochs=3), model, SmallSet(batch, 4))
    assert (search.updates, train.updates, search.ended_early) == (8, 12, True)
    assert [epoch["accordance"] for epoch in search.trace["epochs"]] == [0.4, -0.1]
    assert train.trace["level"] == pytest.approx(sum(search.losses[4:]) / 4)


def test_without_disagreement_the_last_epoch_decides_and_the_model_is_rewound(bert, batch, monkeypatch) -> None:
    monkeypatch.setattr("baselines.flooding_x.accordance", lambda *_: 1.0)
    search, train = fit(FloodingX(epochs=2), bert(dropout=0.0), SmallSet(batch, 2))
    assert train.trace["level"] == pytest.approx(sum(search.losses[2:]) / 2)
    level, first = train.trace["level"], search.losses[0]
    assert train.losses[0] == pytest.approx(abs(first - level) + level, abs=1e-6)


def test_it_compares_the_first_batches_of_an_epoch(bert, batch, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr("baselines.flooding_x.accordance", lambda _, batches: seen.append(batches) or 1.0)
    search, batches = _LevelSearch(bert(), 2), [batch(seed=seed) for seed in range(3)]
    for update in range(1, 7):
        search.step(batches[(update - 1) % 3])
        search.observe(Progress(update, 3, 6, 0.0))
    assert seen == [batches[:2], batches[:2]]


def test_a_fixed_level_costs_nothing_and_the_search_an_epoch_for_each_of_its_own() -> None:
    assert epoch_units(FloodingX.released()) == 10
    assert epoch_units(FloodingX(), search_epochs=3) == 13
    assert FloodingX.released() == FloodingX(level=0.025, max_grad_norm=None)


def test_its_settings_are_read_from_text() -> None:
    assert with_settings(FloodingX(), {"level": "0.1"}) == FloodingX(level=0.1)
    assert with_settings(FloodingX(level=0.1), {"level": "accordance"}) == FloodingX()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"level": 0.0}, "FloodingX.level must be positive, or 'accordance', got 0.0"),
        ({"probe_batches": 1}, "FloodingX.probe_batches must be 2 or more, got 1"),
    ],
)
def test_bad_settings_are_refused(settings: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        FloodingX(**settings)
