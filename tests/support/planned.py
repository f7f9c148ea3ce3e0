"""What an experiment plans under a preset, without data: every variant for each task and seed."""

from __future__ import annotations

from typing import Any, NamedTuple

from baselines.defense import Defense
from benchmarks.experiments.experiment import AttackProtocol, Experiment, seeds
from benchmarks.experiments.options import Options
from benchmarks.experiments.presets import DEMO, Preset


class Planned(NamedTuple):
    """One training and how it is attacked."""

    task: str
    seed: int
    defense: Defense
    protocol: AttackProtocol


def planned(experiment: Experiment, preset: Preset = DEMO, **options: Any) -> list[Planned]:
    """All of it, each once."""
    asked, fitted = Options(**options), experiment.fit(preset)
    found: list[Planned] = []
    for task in fitted.tasks:
        for seed in seeds(fitted, asked.runs):
            for variant in experiment.chosen(asked, fitted):
                each = Planned(task, seed, variant.defense_for(fitted, task, seed), variant.protocol)
                if each not in found:
                    found.append(each)
    return found
