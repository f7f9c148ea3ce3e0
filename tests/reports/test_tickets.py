"""Distances and kept shares from made-up searches."""

from __future__ import annotations

import numpy as np
import pytest
from made_up import training

from benchmarks.experiments.catalogue import EXPERIMENTS, PLAIN
from reports.tickets import distance_table, layer_table, mean_distances
from reports.variants import VariantRuns


def searched(seed: int, distances: list[list[float]], kept: dict[str, list[int]]):
    trace = {"mask_distances": {"heads": distances, "neurons": distances}, "kept": kept}
    return training(
        "early_robust", seed, stages=[{"name": "search", "trace": trace}, {"name": "fine_tune", "trace": {}}]
    )


RUNS = VariantRuns(
    "sst2",
    PLAIN,
    (
        searched(42, [[0, 0.2], [0.2, 0]], {"heads": [4, 2], "neurons": [8, 4]}),
        searched(43, [[0, 0.4], [0.4, 0]], {"heads": [2, 2], "neurons": [8, 0]}),
    ),
    (),
)


def test_distances_are_means_over_runs_with_a_row_a_mini_epoch() -> None:
    assert mean_distances(RUNS, "heads") == pytest.approx(np.array([[0, 0.3], [0.3, 0]]))
    table = distance_table(EXPERIMENTS["figure2"], [RUNS], ["caption"])
    assert [column.key for column in table.columns][2:] == ["mini_epoch", "distance_to_1", "distance_to_2"]
    assert [tuple(map(str, row)) for row in table.rows] == [
        ("SST-2", kind, str(number), *cells)
        for kind in ("heads", "neurons")
        for number, cells in ((1, ("0.00", "0.30")), (2, ("0.30", "0.00")))
    ]


def test_a_shorter_search_leaves_blanks_beside_a_longer_one() -> None:
    longer = VariantRuns("imdb", PLAIN, (searched(42, [[0.0] * 3] * 3, {"heads": [1], "neurons": [1]}),), ())
    table = distance_table(EXPERIMENTS["figure2"], [RUNS, longer], [])
    assert [str(cell) for cell in table.rows[0]][-1] == "–"
    assert len(table.rows) == 2 * 2 + 2 * 3


def test_a_run_that_diverged_is_left_out_and_makes_the_table_incomplete() -> None:
    diverged = VariantRuns("sst2", PLAIN, (training("early_robust", status="diverged"),), (), missing=1)
    for table in (
        distance_table(EXPERIMENTS["figure2"], [diverged], []),
        layer_table(EXPERIMENTS["figure5"], [diverged], {}, []),
    ):
        assert table.rows == () and table.incomplete


def test_kept_shares_are_per_layer_from_the_bottom() -> None:
    table = layer_table(EXPERIMENTS["figure5"], [RUNS], {"heads": 4, "neurons": 8}, [])
    records = table.records()
    assert [record["heads_kept_percent"] for record in records] == [75, 50]
    assert [record["neurons_kept_percent"] for record in records] == [100, 25]
    assert records[1]["neurons_kept_percent_std"] == pytest.approx(25 * 2**0.5)
    assert [record["layer"] for record in records] == [1, 2] and not table.incomplete
