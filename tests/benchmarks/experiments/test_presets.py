"""Presets: every one builds every defense on every task of its own."""

from __future__ import annotations

import pytest

from baselines.defense import Schedule
from baselines.fine_tune import FineTune
from benchmarks.attacks.recipes import find_recipe
from benchmarks.data.tasks import find_task
from benchmarks.experiments.defenses import TABLE_ORDER, known_defenses
from benchmarks.experiments.experiment import methods
from benchmarks.experiments.presets import PRESETS, find_preset


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.key)
def test_a_shipped_preset_is_valid(preset) -> None:
    assert all(variant.defense_for(preset, task, 42) for task in preset.tasks for variant in methods(known_defenses()))
    assert all(find_task(task) for task in preset.tasks)
    assert all(find_recipe(recipe) for recipe in preset.recipes)


@pytest.mark.parametrize(
    ("has_cuda", "has_assets", "chosen", "reason"),
    [
        (False, False, "demo", "no CUDA device"),
        (False, True, "demo", "no CUDA device"),
        (True, False, "demo", "no --assets folder is given; run 'earlyrobust prepare"),
        (True, True, "paper", "a CUDA device is present and an --assets folder"),
    ],
)
def test_auto_follows_the_device_and_the_files_and_says_why(has_cuda, has_assets, chosen, reason) -> None:
    preset, why = find_preset("auto", has_cuda=has_cuda, has_assets=has_assets)
    assert preset.key == chosen and reason in why


def test_unknown_presets_get_the_nearest_name() -> None:
    with pytest.raises(ValueError, match="unknown preset 'dmeo'; did you mean 'demo'"):
        find_preset("dmeo", has_cuda=False, has_assets=False)


def test_the_paper_preset_changes_no_hyperparameter() -> None:
    for variant in methods(known_defenses()):
        defense = variant.defense_for(PRESETS["paper"], "imdb", 42)
        assert defense == type(defense).for_task("imdb")


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.key)
def test_all_methods_of_a_table_share_one_schedule(preset) -> None:
    """Tables compare methods and not optimisers."""
    found = [variant.defense_for(preset, preset.tasks[0], 42) for variant in methods(known_defenses())]
    assert {Schedule(**defense.schedule()) for defense in found} == {preset.schedule}


def test_each_method_s_published_schedule_is_to_be_had() -> None:
    preset = PRESETS["paper"].with_schedule("published")
    found = {variant.key: variant.defense_for(preset, "imdb", 42) for variant in methods(TABLE_ORDER)}
    decays = {key: (defense.weight_decay, defense.warmup_ratio) for key, defense in found.items()}
    assert decays["early_robust"] == decays["early_bert"] == (0, 0) and decays["fine_tune"] == (0.01, 0.1)
    assert found["early_bert"].learning_rate == 4e-5
    for kind in known_defenses().values():
        assert set(kind.published) <= set(vars(Schedule())), "a schedule and nothing else"
    assert preset.with_schedule("shared") == PRESETS["paper"]
    with pytest.raises(ValueError, match="unknown schedule 'publish'; did you mean 'published'"):
        PRESETS["demo"].with_schedule("publish")


def test_a_method_from_elsewhere_with_a_rate_of_its_own_gets_the_preset_s() -> None:
    class Own(FineTune, key="own_rate"):
        learning_rate = 1.0

    assert PRESETS["paper"].settings_of(Own) == {"learning_rate": 2e-5}
