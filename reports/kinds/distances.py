"""Distances between the masks of every two mini-epochs of a search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.data.tasks import title_of
from benchmarks.experiments.experiment import Experiment
from reports.figures import Map, draw_maps
from reports.kinds.of_variants import OfVariants, VariantData
from reports.tables import Column, Number, Table
from reports.variant_runs import STRUCTURES, VariantRuns, search_trace

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Distances(OfVariants):
    """A row for each mini-epoch, and a map of the distances."""

    def rows(self, data: VariantData) -> Table:
        return distance_table(self.experiment, data.runs, data.caption)

    def figures(self, data: VariantData, table: Table) -> dict[str, Figure]:
        """Distances between the masks of every two mini-epochs, heads beside neurons, one row per task."""
        maps = [
            [Map(f"{title_of(each.task)}, {kind}", "Mini-epoch", mean_distances(each, kind)) for kind in STRUCTURES]
            for each in data.runs
        ]
        return {self.experiment.key: draw_maps(self.experiment.title, maps)}


def distance_table(experiment: Experiment, runs: Sequence[VariantRuns], caption: Sequence[str]) -> Table:
    """One row per task, structure and mini-epoch: the mean distance of its mask to that of every mini-epoch."""
    matrices = {(each.task, kind): mean_distances(each, kind) for each in runs for kind in STRUCTURES}
    width = max((len(matrix) for matrix in matrices.values()), default=0)
    columns = (
        Column("Task", "task", False),
        Column("Masks", "masks", False),
        Column("Mini-epoch", "mini_epoch"),
        *(Column(f"to {number}", f"distance_to_{number}") for number in range(1, width + 1)),
    )
    rows = tuple(
        (title_of(task), kind, Number(number, digits=0), *(Number(value, digits=2) for value in row))
        for (task, kind), matrix in matrices.items()
        for number, row in enumerate(_squared(matrix, width), start=1)
    )
    return Table(experiment.title, columns, rows, tuple(caption), incomplete=any(each.missing for each in runs))


def mean_distances(runs: VariantRuns, kind: str) -> np.ndarray:
    """Distances between the masks of every two mini-epochs, (M, M), mean over the runs; (0, 0) without a run.

    Runs of one experiment have searches of the same length, unless one diverged; the shortest decides M.
    """
    found = [np.asarray(search_trace(record)["mask_distances"][kind]) for record in runs.trained if record.stages]
    if not found:
        return np.zeros((0, 0))
    least = min(len(matrix) for matrix in found)
    return np.mean([matrix[:least, :least] for matrix in found], axis=0)


def _squared(matrix: np.ndarray, width: int) -> np.ndarray:
    """The matrix padded with blanks to `width` columns."""
    return np.pad(matrix, ((0, 0), (0, width - len(matrix))), constant_values=np.nan)
