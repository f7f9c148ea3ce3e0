"""Variants, and the cells an experiment comes to."""

from __future__ import annotations

import pytest

from benchmarks.experiments.catalogue import EXPERIMENTS, find_experiments
from benchmarks.experiments.defenses import TABLE_ORDER, known_defenses
from benchmarks.experiments.experiment import cells, methods
from benchmarks.experiments.options import Options
from benchmarks.experiments.presets import DEMO, PAPER

PAPERS = [f"table{number}" for number in range(1, 9)] + [f"figure{number}" for number in range(2, 6)]


def planned(key: str, preset=DEMO, **options):
    """The cells of an experiment under a preset."""
    experiment = EXPERIMENTS[key]
    fitted = experiment.fit(preset)
    return experiment.cells(Options(**options), fitted, fitted.tasks)


def test_blocks_are_complete_and_shuffled_the_same_way_every_time() -> None:
    planned = cells(DEMO, ["demo"], runs=5)
    blocks = [planned[start : start + 7] for start in range(0, 35, 7)]
    assert [{cell.seed for cell in block} for block in blocks] == [{42}, {43}, {44}, {45}, {46}]
    orders = [tuple(cell.defense.key for cell in block) for block in blocks]
    assert all(set(order) == set(TABLE_ORDER) for order in orders)
    assert len(set(orders)) > 1
    assert planned == cells(DEMO, ["demo"], runs=5)


def test_settings_come_after_the_preset_s() -> None:
    (cell,) = cells(DEMO, ["demo"], ["freelb"], runs=1, settings={"steps": "7"})
    assert cell.defense.ascent.steps == 7
    assert cell.defense.epochs == 2


def test_bad_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="--runs must be 1 or more, got 0"):
        cells(DEMO, ["demo"], runs=0)
    with pytest.raises(ValueError, match="unknown defense 'pdg'; did you mean 'pgd'"):
        cells(DEMO, ["demo"], ["pdg"])
    with pytest.raises(ValueError, match="unknown experiment 'table11'; did you mean 'table1'"):
        find_experiments("table11")
    with pytest.raises(ValueError, match=r"unknown variant of figure3 'gamma=0\.7'; did you mean 'gamma="):
        planned("figure3", variants="gamma=0.7")
    with pytest.raises(ValueError, match="--defenses chooses nothing in table3, got 'pgd'; use --variants"):
        planned("table3", defenses="pgd")
    with pytest.raises(ValueError, match="--variants chooses nothing in table1, got 'x'; use --defenses"):
        planned("table1", variants="x")


def test_methods_are_variants_that_change_nothing() -> None:
    (variant,) = methods(["pgd"])
    assert variant.cell(PAPER, "imdb", 7).defense == known_defenses()["pgd"].for_task("imdb")
