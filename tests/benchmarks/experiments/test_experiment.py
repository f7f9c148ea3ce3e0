"""Variants: their settings, and mistakes in what is asked of an experiment."""

from __future__ import annotations

import pytest
from planned import planned

from benchmarks.experiments.catalogue import EXPERIMENTS, find_experiments
from benchmarks.experiments.defenses import known_defenses
from benchmarks.experiments.experiment import methods
from benchmarks.experiments.presets import DEMO, PAPER


def test_settings_come_after_the_preset_s() -> None:
    (variant,) = methods(["freelb"], {"steps": "7"})
    defense = variant.defense_for(DEMO, "demo", 42)
    assert (defense.ascent.steps, defense.epochs) == (7, DEMO.schedule.epochs)


def test_bad_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="--runs must be 1 or more, got 0"):
        planned(EXPERIMENTS["table1"], runs=0)
    with pytest.raises(ValueError, match="unknown defense 'pdg'; did you mean 'pgd'"):
        planned(EXPERIMENTS["table1"], defenses="pdg")
    with pytest.raises(ValueError, match="unknown experiment 'table11'; did you mean 'table1'"):
        find_experiments("table11")
    with pytest.raises(ValueError, match=r"unknown variant of figure3 'gamma=0\.7'; did you mean 'gamma="):
        planned(EXPERIMENTS["figure3"], variants="gamma=0.7")
    with pytest.raises(ValueError, match="--defenses changes nothing in table3, got 'pgd'; use --variants"):
        planned(EXPERIMENTS["table3"], defenses="pgd")
    with pytest.raises(ValueError, match="--variants changes nothing in table1, got 'x'; use --defenses"):
        planned(EXPERIMENTS["table1"], variants="x")


def test_methods_are_variants_that_change_nothing() -> None:
    (variant,) = methods(["pgd"])
    assert variant.defense_for(PAPER, "imdb", 7) == known_defenses()["pgd"].for_task("imdb")
