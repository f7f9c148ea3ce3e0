"""Distances between masks, from made-up searches."""

from __future__ import annotations

import numpy as np
import pytest
from made_up import training
from made_up_searches import SEARCHES, searched
from stored_experiments import report

from benchmarks.experiments.catalogue import EXPERIMENTS, PLAIN
from reports.kinds.distances import distance_table, mean_distances
from reports.variant_runs import VariantRuns


def test_distances_are_means_over_runs_with_a_row_a_mini_epoch() -> None:
    assert mean_distances(SEARCHES, "heads") == pytest.approx(np.array([[0, 0.3], [0.3, 0]]))
    table = distance_table(EXPERIMENTS["figure2"], [SEARCHES], ["caption"])
    assert [column.key for column in table.columns][2:] == ["mini_epoch", "distance_to_1", "distance_to_2"]
    assert [tuple(map(str, row)) for row in table.rows] == [
        ("SST-2", kind, str(number), *cells)
        for kind in ("heads", "neurons")
        for number, cells in ((1, ("0.00", "0.30")), (2, ("0.30", "0.00")))
    ]


def test_a_shorter_search_leaves_blanks_beside_a_longer_one() -> None:
    longer = VariantRuns("imdb", PLAIN, (searched(42, [[0.0] * 3] * 3, {"heads": [1], "neurons": [1]}),), ())
    table = distance_table(EXPERIMENTS["figure2"], [SEARCHES, longer], [])
    assert [str(cell) for cell in table.rows[0]][-1] == "–"
    assert len(table.rows) == 2 * 2 + 2 * 3


def test_a_run_that_diverged_is_left_out_and_makes_the_table_incomplete() -> None:
    diverged = VariantRuns("sst2", PLAIN, (training("early_robust", status="diverged"),), (), missing=1)
    table = distance_table(EXPERIMENTS["figure2"], [diverged], [])
    assert table.rows == () and table.incomplete


def test_maps_show_twenty_mini_epochs_of_heads_and_neurons(store_options) -> None:
    pytest.importorskip("matplotlib")
    found = report(store_options, "figure2")
    assert len(found.table.rows) == 2 * 20 and not found.table.incomplete
    (figure,) = found.figures().values()
    images = [image for axes in figure.axes for image in axes.get_images()]
    assert [image.get_array().shape for image in images] == [(20, 20)] * 2
    cells = [[cell.mean for cell in row[3:]] for row in found.table.rows[:20]]
    assert images[0].get_array().tolist() == cells
    assert any("none attacked" in line for line in found.table.caption)
