"""Shares that tickets keep of each layer, from made-up searches."""

from __future__ import annotations

import pytest
from made_up import training
from made_up_searches import SEARCHES
from stored_experiments import report

from benchmarks.experiments.catalogue import EXPERIMENTS, PLAIN
from reports.kinds.layers import layer_table
from reports.tables import Number
from reports.variant_runs import VariantRuns


def test_kept_shares_are_per_layer_from_the_bottom() -> None:
    table = layer_table(EXPERIMENTS["figure5"], [SEARCHES], {"heads": 4, "neurons": 8}, [])
    records = table.records()
    assert [record["heads_kept_percent"] for record in records] == [75, 50]
    assert [record["neurons_kept_percent"] for record in records] == [100, 25]
    assert records[1]["neurons_kept_percent_std"] == pytest.approx(25 * 2**0.5)
    assert [record["layer"] for record in records] == [1, 2] and not table.incomplete


def test_a_run_that_diverged_is_left_out_and_makes_the_table_incomplete() -> None:
    diverged = VariantRuns("sst2", PLAIN, (training("early_robust", status="diverged"),), (), missing=1)
    table = layer_table(EXPERIMENTS["figure5"], [diverged], {}, [])
    assert table.rows == () and table.incomplete


def test_layers_are_drawn_as_the_table_has_them(store_options) -> None:
    pytest.importorskip("matplotlib")
    found = report(store_options, "figure5")
    (figure,) = found.figures().values()
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    columns = [[row[index] for row in found.table.rows] for index in (2, 3)]
    assert heights == [cell.mean for column in columns for cell in column if isinstance(cell, Number)]
    assert len(heights) == 4
