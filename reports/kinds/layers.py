"""Heads and neurons that tickets keep in each layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from benchmarks.data.tasks import title_of
from benchmarks.experiments.experiment import Experiment
from reports.figures import Series, draw_layers
from reports.kinds.of_variants import OfVariants, VariantData
from reports.statistics import summarise
from reports.tables import Column, Number, Table
from reports.variant_runs import STRUCTURES, VariantRuns, search_trace

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Layers(OfVariants):
    """A row for each layer, and bars of them."""

    def rows(self, data: VariantData) -> Table:
        return layer_table(self.experiment, data.runs, data.sizes, data.caption)

    def figures(self, data: VariantData, table: Table) -> dict[str, Figure]:
        """Kept shares per layer, one row per task."""
        rows = []
        for task, members in table.by("task").items():
            x = [row["layer"].mean for row in members]
            kept = []
            for kind in STRUCTURES:
                shares = [row[f"{kind}_kept_percent"] for row in members]
                kept.append(Series(kind, x, [share.mean for share in shares], [share.std for share in shares]))
            rows.append((task, kept))
        return {self.experiment.key: draw_layers(self.experiment.title, rows)}


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
