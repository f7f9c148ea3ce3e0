"""Experiments as values: the list of cells each table or figure is made of."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from baselines.defense import Defense
from baselines.refusal import require, unknown
from benchmarks.runs.defenses import TABLE_ORDER, build
from benchmarks.runs.presets import Preset

FIRST_SEED = 42

EXPERIMENTS = {"table1": "Clean%, Aua% and #Query of seven methods under three attacks, with training time"}


@dataclass(frozen=True)
class Cell:
    """One training and the attacks on its model.

    Attributes:
        task: the task's name.
        defense: the defense with all its hyperparameters.
        seed: decides the classifier's start, the order of the texts, dropout and perturbations.
    """

    task: str
    defense: Defense
    seed: int


def find_experiment(name: str) -> str:
    """The experiment's name.

    Raises:
        ValueError: for an unknown one.
    """
    if name not in EXPERIMENTS:
        raise unknown("experiment", name, EXPERIMENTS)
    return name


def cells(
    preset: Preset,
    tasks: Sequence[str],
    defenses: Sequence[str] = TABLE_ORDER,
    *,
    runs: int | None = None,
    settings: Mapping[str, Any] | None = None,
) -> list[Cell]:
    """Every defense on every task, in complete blocks: a block is one seed, its defenses in a shuffled order.

    Args:
        settings: hyperparameters that come after the preset's, for every defense asked for.
    Raises:
        ValueError: for unknown defenses or settings, or no runs at all.
    """
    count = preset.runs if runs is None else runs
    require(count >= 1, "--runs", "1 or more", count)
    planned = []
    for task in tasks:
        built = [_for_preset(name, task, preset, settings or {}) for name in defenses]
        for seed in range(FIRST_SEED, FIRST_SEED + count):
            block = [Cell(task, defense, seed) for defense in built]
            random.Random(f"{task} {seed}").shuffle(block)
            planned += block
    return planned


def _for_preset(name: str, task: str, preset: Preset, settings: Mapping[str, Any]) -> Defense:
    key = build(name, task).key
    return build(name, task, preset.settings, preset.defense_settings.get(key, {}), settings)
