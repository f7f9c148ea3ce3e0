"""The cells of an experiment."""

from __future__ import annotations

import pytest

from benchmarks.runs.defenses import TABLE_ORDER
from benchmarks.runs.experiments import cells, find_experiment
from benchmarks.runs.presets import DEMO


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
    assert cell.defense.steps == 7
    assert cell.defense.epochs == 2


def test_bad_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="--runs must be 1 or more, got 0"):
        cells(DEMO, ["demo"], runs=0)
    with pytest.raises(ValueError, match="unknown defense 'pdg'; did you mean 'pgd'"):
        cells(DEMO, ["demo"], ["pdg"])
    with pytest.raises(ValueError, match="unknown experiment 'table11'; did you mean 'table1'"):
        find_experiment("table11")
