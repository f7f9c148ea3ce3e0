"""Tickets shaped by one method's objective and fine-tuned by another's, on a two-layer random BERT."""

from __future__ import annotations

import json

import pytest
import torch
from small_set import SmallSet

from baselines.training import Passes, StageLog, fit
from benchmarks.clock.cost import update_passes
from benchmarks.experiments.defenses import known_defenses
from benchmarks.experiments.settings import with_settings
from benchmarks.victims.saved import load_classifier, save_classifier
from method.early_robust import EarlyRobust

ONE_STAGE = [key for key, kind in known_defenses().items() if kind.one_stage]
PARTS = [*(("search", key) for key in ONE_STAGE), *(("fine_tuning", key) for key in ONE_STAGE)]
every_part = pytest.mark.parametrize(("part", "key"), PARTS)


def short(part: str, key: str) -> EarlyRobust:
    """Twelve updates of search and four of fine-tuning, with two steps in every ascent."""
    changes = {"epochs": 1, "mini_epoch": 3, "max_search_epochs": 3, part: key}
    defense = with_settings(EarlyRobust(), changes)
    has_steps = "steps" in getattr(defense, part).settings()
    return with_settings(defense, {f"{part}.steps": 2}) if has_steps else defense


def train(defense: EarlyRobust, model: torch.nn.Module, rich_batch) -> list[StageLog]:
    torch.manual_seed(7)
    return fit(defense, model, SmallSet(rich_batch, 4, lengths=(6, 4)))


@pytest.mark.parametrize("key", ONE_STAGE)
def test_what_says_it_has_one_stage_has_one(key: str, bert) -> None:
    assert len(list(known_defenses()[key]().stages(bert()))) == 1


@every_part
def test_it_trains_the_same_twice_and_leaves_a_plain_model_that_loads(part: str, key: str, bert, rich_batch, tmp_path):
    first, second = bert(), bert()
    search, fine_tune = train(short(part, key), first, rich_batch)
    train(short(part, key), second, rich_batch)
    assert all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())
    assert (search.name, search.updates, fine_tune.name, fine_tune.updates) == ("search", 12, "fine_tune", 4)
    assert first.state_dict().keys() == bert().state_dict().keys()
    assert not any(module._forward_pre_hooks for module in first.modules())
    save_classifier(first, tmp_path / "model")
    loaded, one = load_classifier(tmp_path / "model").eval(), rich_batch()
    assert torch.equal(loaded(**one.inputs()).logits, first.eval()(**one.inputs()).logits)


@every_part
def test_it_makes_the_passes_of_its_objective(part: str, key: str, bert, rich_batch) -> None:
    defense = short(part, key)
    search, fine_tune = train(defense, bert(), rich_batch)
    for log, objective in ((search, defense.search), (fine_tune, defense.fine_tuning)):
        each = update_passes(objective)
        expected = (each.forward, each.backward_full, each.backward_input)
        assert log.passes == Passes(*(log.updates * count for count in expected))


@every_part
def test_its_settings_survive_json_with_the_kind(part: str, key: str) -> None:
    defense = short(part, key)
    for values in (defense.settings(), defense.identity()):
        again = with_settings(EarlyRobust(), json.loads(json.dumps(values)))
        assert again == defense
        assert getattr(again, part).key == key
