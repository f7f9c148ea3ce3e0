"""Presets: every one builds every defense on every task of its own."""

from __future__ import annotations

import pytest

from benchmarks.attacks.recipes import find_recipe
from benchmarks.data.tasks import find_task
from benchmarks.experiments.defenses import known_defenses
from benchmarks.experiments.experiment import cells
from benchmarks.experiments.presets import PRESETS, find_preset


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.key)
def test_a_shipped_preset_is_valid(preset) -> None:
    planned = cells(preset, preset.tasks, tuple(known_defenses()))
    assert len(planned) == len(preset.tasks) * len(known_defenses()) * preset.runs
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
    for cell in cells(PRESETS["paper"], ["imdb"], tuple(known_defenses()), runs=1):
        assert cell.defense == type(cell.defense).for_task("imdb")
