"""The report of an experiment: its table, and the figures drawn from the same numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from benchmarks.data.tasks import title_of
from benchmarks.experiments.experiment import Experiment
from benchmarks.jobs.resolve import Study
from reports.external import external_caption, external_results
from reports.figures import Map, Panel, Series, draw_layers, draw_maps, draw_panels
from reports.frame import keys_of
from reports.statistics import summarise
from reports.table1 import caption, table1
from reports.tables import Number, Table
from reports.tickets import STRUCTURES, distance_table, layer_table, mean_distances
from reports.variants import VariantRuns, gather, replaced_tasks, variant_caption, variant_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

AXES = {
    "γ": "γ, bound on the distance of masks",
    "heads": "Heads pruned, %",
    "neurons": "Neurons pruned, %",
}
BAND = "bands: ± one standard deviation over runs"


@dataclass(frozen=True)
class Report:
    """The report of an experiment.

    Attributes:
        experiment: the experiment.
        table: its table.
        runs: the stored runs of its variants.
        recipes: titles of the attacks by key.
    """

    experiment: Experiment
    table: Table
    runs: tuple[VariantRuns, ...]
    recipes: dict[str, str]

    def figures(self) -> dict[str, Figure]:
        """The figures by file name; empty for a table without figures or without numbers."""
        key, kind = self.experiment.key, self.experiment.kind
        if not self.table.rows:
            return {}
        if kind == "methods":
            return self._pareto(f"{key}_pareto") | self._speedups(f"{key}_speedup")
        if kind == "curves":
            return {key: self._curves()}
        if kind == "distances":
            return {key: self._maps()}
        if kind == "layers":
            return {key: self._layers()}
        return {}

    def _pareto(self, name: str) -> dict[str, Figure]:
        """Training time against accuracy under each attack, a row of panels per task."""
        tasks = self._by_task()
        rows = [
            [
                Panel(
                    f"{task}, {title}",
                    "Training, seconds",
                    "Aua, %",
                    [
                        Series(
                            _text(row, "method"),
                            [_number(row, "training_seconds").mean],
                            [_number(row, f"{key}_aua_percent").mean],
                            [_number(row, f"{key}_aua_percent").std],
                            joined=False,
                        )
                        for row in members
                    ],
                    logarithmic="x",
                    frontier=True,
                )
                for key, title in self.recipes.items()
            ]
            for task, members in tasks.items()
        ]
        rows = [[panel for panel in row if _has_points(panel)] for row in rows]
        title = "Training time against robustness; dashed: no method is both faster and more robust"
        return {name: draw_panels(title, list(filter(None, rows)))} if any(rows) else {}

    def _speedups(self, name: str) -> dict[str, Figure]:
        """Predicted against measured speedup of EarlyRobust over each method, if it is among them."""
        rows = []
        for task, members in self._by_task().items():
            costs = {
                _text(row, "method"): (
                    _number(row, "predicted_fine_tuning_costs").mean,
                    _number(row, "measured_fine_tuning_costs").mean,
                )
                for row in members
            }
            own = costs.pop("EarlyRobust", (math.nan, math.nan))
            series = [
                Series(method, [cost[0] / own[0]], [cost[1] / own[1]], joined=False)
                for method, cost in costs.items()
                if all(map(math.isfinite, (*cost, *own)))
            ]
            if series:
                rows.append([Panel(task, "Predicted from passes, ×", "Measured, ×", series, "xy", diagonal=True)])
        return {name: draw_panels("Speedup of EarlyRobust over each method", rows)} if rows else {}

    def _by_task(self) -> dict[str, list[dict[str, Number | str]]]:
        """The table's rows by task, each a dictionary by column key."""
        tasks: dict[str, list[dict[str, Number | str]]] = {}
        for row in self.table.rows:
            cells = dict(zip((column.key for column in self.table.columns), row, strict=True))
            tasks.setdefault(str(cells["task"]), []).append(cells)
        return tasks

    def _curves(self) -> Figure:
        """Clean% and Aua% over each hyperparameter, a row of panels per task; for γ also the draw epochs."""
        rows = []
        for task in dict.fromkeys(each.task for each in self.runs):
            mine = [each for each in self.runs if each.task == task]
            panels = []
            for curve in dict.fromkeys(each.variant.curve for each in mine):
                points = sorted((each for each in mine if each.variant.curve == curve), key=_place)
                x = [_place(each) for each in points]
                title, axis = title_of(task), AXES[curve]
                scale = "x" if curve == "γ" else ""
                measured = [_series("Clean", x, [each.clean_percents() for each in points])]
                measured += [
                    _series(f"Aua, {name}", x, [each.attack_values(key, "aua_percent") for each in points])
                    for key, name in self.recipes.items()
                ]
                panels.append(Panel(title, axis, "Accuracy, %", measured, scale))
                if curve == "γ":
                    drawn = [
                        _series(label, x, [each.search_values(name) for each in points])
                        for label, name in (("drawn", "draw_epoch"), ("stopped", "stop_epoch"))
                    ]
                    panels.append(Panel(title, axis, "Epochs of search", drawn, scale))
            rows.append(panels)
        spreads = [spread for row in rows for panel in row for each in panel.series for spread in each.spread]
        band = f"; {BAND}" if any(map(math.isfinite, spreads)) else ""
        return draw_panels(f"{self.experiment.title}{band}", rows)

    def _maps(self) -> Figure:
        """Distances between the masks of every two mini-epochs, heads beside neurons, a row per task."""
        rows = [
            [Map(f"{title_of(each.task)}, {kind}", "Mini-epoch", mean_distances(each, kind)) for kind in STRUCTURES]
            for each in self.runs
        ]
        return draw_maps(self.experiment.title, rows)

    def _layers(self) -> Figure:
        """Kept shares per layer, a row per task."""
        rows = []
        for task, members in self._by_task().items():
            x = [_number(row, "layer").mean for row in members]
            kept = []
            for kind in STRUCTURES:
                shares = [_number(row, f"{kind}_kept_percent") for row in members]
                kept.append(Series(kind, x, [share.mean for share in shares], [share.std for share in shares]))
            rows.append((task, kept))
        return draw_layers(self.experiment.title, rows)


def _has_points(panel: Panel) -> bool:
    return any(math.isfinite(value) for series in panel.series for value in series.y)


def _place(runs: VariantRuns) -> float:
    return math.nan if runs.variant.x is None else runs.variant.x


def _series(name: str, x: Sequence[float], values: Sequence[dict[int, float]]) -> Series:
    summaries = [summarise(list(each.values())) for each in values]
    return Series(name, x, [each.mean for each in summaries], [each.std for each in summaries])


def _number(row: dict[str, Number | str], key: str) -> Number:
    cell = row[key]
    assert isinstance(cell, Number)
    return cell


def _text(row: dict[str, Number | str], key: str) -> str:
    return str(row[key])


def report_on(study: Study) -> Report:
    """The report of an experiment from what the store has now; what is missing is blank and makes it incomplete."""
    experiment, origin, store = study.experiment, study.provenance, study.store
    runs = gather(store, study.rows)
    if experiment.kind == "methods":
        externals = external_results(store, origin)
        trained = [record for each in runs for record in each.trained]
        attacks = [result for each in runs for result in each.attacks]
        about = [*external_caption(externals), *replaced_tasks(origin, experiment)]
        lines = [*caption(origin, trained, attacks), *about]
        table = table1(trained, attacks, origin.recipes, lines, experiment.title, externals)
        table = replace(table, incomplete=table.incomplete or any(each.missing for each in runs))
    else:
        lines = variant_caption(origin, experiment, runs)
        table = table_of_variants(experiment, runs, origin.recipes, origin.layer_sizes, lines)
    return Report(experiment, table, tuple(runs), origin.recipes)


def table_of_variants(
    experiment: Experiment,
    runs: Sequence[VariantRuns],
    recipes: dict[str, str],
    sizes: Mapping[str, int],
    caption: Sequence[str],
) -> Table:
    """The table of an experiment on one method, with its sources but without the caption.

    Args:
        recipes: titles of the attacks by key.
        sizes: heads and neurons in a layer of the unpruned backbone.
    """
    if experiment.kind == "distances":
        table = distance_table(experiment, runs, caption)
    elif experiment.kind == "layers":
        table = layer_table(experiment, runs, sizes, caption)
    else:
        table = variant_table(experiment, runs, recipes, caption)
    of_runs = [{"task": each.task, "variant": each.variant.key, **keys_of(each.trained, each.attacks)} for each in runs]
    described = {"kind": experiment.kind, "experiment": experiment.key, "recipes": recipes, "sizes": dict(sizes)}
    return replace(table, sources={**described, "runs": of_runs})
