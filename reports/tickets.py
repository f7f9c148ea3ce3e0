"""The results of searches: distances between the masks of mini-epochs, and what tickets keep in each layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.data.tasks import title_of
from benchmarks.experiments.experiment import Experiment
from reports.statistics import summarise
from reports.tables import Column, Number, Table
from reports.variants import VariantRuns, search_trace

STRUCTURES = ("heads", "neurons")


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


def layer_table(
    experiment: Experiment, runs: Sequence[VariantRuns], sizes: Mapping[str, int], caption: Sequence[str]
) -> Table:
    """One row per task and layer, bottom first: the share of its heads and neurons that tickets keep.

    Args:
        sizes: heads and neurons in a layer of the unpruned backbone.
    """
    columns = (
        Column("Task", "task", False),
        Column("Layer", "layer"),
        Column("Heads kept %", "heads_kept_percent"),
        Column("Neurons kept %", "neurons_kept_percent"),
        Column("Runs", "runs"),
    )
    rows = []
    for each in runs:
        kept = [search_trace(record)["kept"] for record in each.trained if record.stages]
        for layer in range(len(kept[0]["heads"]) if kept else 0):
            shares = [_share([found[kind][layer] for found in kept], sizes[kind]) for kind in STRUCTURES]
            rows.append((title_of(each.task), Number(layer + 1, digits=0), *shares, Number(len(kept), digits=0)))
    return Table(experiment.title, columns, tuple(rows), tuple(caption), incomplete=any(each.missing for each in runs))


def _share(counts: Sequence[int], size: int) -> Number:
    summary = summarise([100 * count / size for count in counts])
    return Number(summary.mean, summary.std)
