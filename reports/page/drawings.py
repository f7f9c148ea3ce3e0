"""The figures of the page: panels of points and curves, and maps, as numbers that its script draws."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks.results.metrics import aua_percent
from reports.attack_report import BUDGET_NOTE
from reports.figures import Map, Panel, Series
from reports.measured import Measured
from reports.overview import Overview
from reports.page.results import Row
from reports.statistics import summarise
from reports.strictness import NOTE as STRICTNESS_NOTE
from reports.strictness import strictness_panels
from reports.tables import Number, Table
from reports.task_results import OURS, TaskResults
from reports.variant_runs import search_trace

CURVES = {
    "gamma": "γ, bound on the distance of masks",
    "head_sparsity": "Share of heads pruned",
    "neuron_sparsity": "Share of neurons pruned",
}
STRUCTURES = ("heads", "neurons")
PARETO_NOTE = (
    "Up and to the left is better. The dashed line joins the methods than which none is both faster and more robust; "
    "bars are ± one standard deviation over runs. A click on a point opens the records behind it."
)
COST_NOTE = (
    "Training time in trainings by fine-tuning: from the passes a method makes, and by the clock. On the dashed line "
    "both agree; above it a method took longer than its passes say."
)
CURVE_NOTE = "EarlyRobust with one setting changed; bands are ± one standard deviation over runs."
MAP_NOTE = (
    "Share of entries in which the masks of two mini-epochs of the search differ, mean over runs; the ticket is drawn "
    "where the masks settle."
)
LAYER_NOTE = "Heads and neurons that tickets keep in each layer, bottom first; bands are ± one standard deviation."


@dataclass(frozen=True)
class Drawing:
    """A figure of the page: panels or maps under one heading.

    Attributes:
        key, title, note: its name on the page, heading, and explanation.
        panels: each with its task.
        maps: each with its task.
        rows: for a panel's series, the rows of the results table behind them, by the panel's place; otherwise empty.
    """

    key: str
    title: str
    note: str
    panels: Sequence[tuple[str, Panel]] = ()
    maps: Sequence[tuple[str, Map]] = ()
    rows: Sequence[Sequence[int]] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain values; None for numbers that are not finite."""
        rows = self.rows or [()] * len(self.panels)
        return {
            "key": self.key,
            "title": self.title,
            "note": self.note,
            "panels": [
                _plain(asdict(panel)) | {"task": task, "rows": list(own)}
                for (task, panel), own in zip(self.panels, rows, strict=True)
            ],
            "maps": [_plain(asdict(each)) | {"task": task} for task, each in self.maps],
        }


def _plain(value: Any) -> Any:
    """Convert the value for JSON: arrays to lists, numbers to six digits, numbers that are not finite to None."""
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


def drawings(found: Overview, rows: Sequence[Row], table: Table) -> list[Drawing]:
    """Every figure that the records have numbers for."""
    drawn = (
        _pareto(rows, table),
        _budgets(found),
        _strictness(found),
        _costs(rows, table),
        _curves(found.tasks),
        _maps(found.tasks),
        _layers(found.tasks),
    )
    return [each for each in drawn if each.panels or each.maps]


def _pareto(rows: Sequence[Row], table: Table) -> Drawing:
    """Training time against accuracy under attack, a panel per task and attack."""
    panels, sources = [], []
    cells = _cells(table)
    for title, attack in dict.fromkeys((row.title, row.attack) for row in rows if row.attack):
        members = [index for index, row in enumerate(rows) if (row.title, row.attack) == (title, attack)]
        members = [index for index in members if _drawable(cells[index], "training_seconds", "aua_percent")]
        series = [
            Series(rows[index].method, [seconds.mean], [aua.mean], [aua.std], joined=False)
            for index in members
            for seconds, aua in [(cells[index]["training_seconds"], cells[index]["aua_percent"])]
        ]
        if series:
            panel = Panel(attack, "Training, seconds", "Aua, %", series, logarithmic="x", frontier=True)
            panels.append((title, panel))
            sources.append(members)
    return Drawing("pareto", "Training time against robustness", PARETO_NOTE, panels, rows=sources)


def _costs(rows: Sequence[Row], table: Table) -> Drawing:
    """Predicted against measured cost, a panel per task; only a method's first row is drawn."""
    panels, sources = [], []
    cells = _cells(table)
    for title in dict.fromkeys(row.title for row in rows):
        firsts = {row.method: index for index, row in reversed(list(enumerate(rows))) if row.title == title}
        names = ("predicted_fine_tuning_costs", "measured_fine_tuning_costs")
        members = sorted(index for index in firsts.values() if _drawable(cells[index], *names))
        series = [
            Series(rows[index].method, [cells[index][names[0]].mean], [cells[index][names[1]].mean], joined=False)
            for index in members
        ]
        if len(series) > 1:
            panel = Panel(title, "Predicted from passes, ×", "Measured, ×", series, logarithmic="xy", diagonal=True)
            panels.append((title, panel))
            sources.append(members)
    return Drawing("costs", "Predicted and measured cost", COST_NOTE, panels, rows=sources)


def _cells(table: Table) -> list[dict[str, Any]]:
    return [dict(zip((column.key for column in table.columns), row, strict=True)) for row in table.rows]


def _drawable(cells: Mapping[str, Any], *keys: str) -> bool:
    """Whether each of these is a number above 0, or 0 for a percentage."""
    numbers: list[Number] = [cells[key] for key in keys if key in cells]
    return len(numbers) == len(keys) and all(math.isfinite(number.mean) for number in numbers)


def _budgets(found: Overview) -> Drawing:
    """Aua% by query budget, a panel per task and attack."""
    curves = found.attacks.curves if found.attacks else ()
    panels = []
    for task, attack in dict.fromkeys((curve.task, curve.attack) for curve in curves):
        own = [curve for curve in curves if (curve.task, curve.attack) == (task, attack)]
        series = [Series(curve.method, curve.queries, curve.aua_percent) for curve in own]
        panels.append((task, Panel(attack, "Queries allowed per text", "Aua, %", series)))
    return Drawing("budgets", "Accuracy under attack by query budget", BUDGET_NOTE, panels)


def _strictness(found: Overview) -> Drawing:
    """Aua% by the strictness of what counts as a success, two panels per task and attack."""
    panels = strictness_panels([each for each in found.attacks.groups if not each.stages]) if found.attacks else []
    return Drawing("strictness", "Accuracy under attack if only strict successes count", STRICTNESS_NOTE, panels)


def _curves(tasks: Sequence[TaskResults]) -> Drawing:
    """Clean% and Aua% over EarlyRobust's settings, for cells that differ in one setting only."""
    panels = []
    for task in tasks:
        for field, label in CURVES.items():
            cells = task.by(field)
            values = list(cells)
            quantities: dict[str, list[list[float]]] = {
                "Clean": [
                    [100 * float(cell.read_rightly(seed).mean()) for seed in cell.trainings] for cell in cells.values()
                ]
            }
            titles = {attack.recipe: attack.title for cell in cells.values() for attack in cell.attacks}
            for recipe, title in titles.items():
                quantities[f"Aua, {title}"] = [_aua_percents(cell, recipe) for cell in cells.values()]
            if len(values) > 1:
                series = [_series(name, values, found) for name, found in quantities.items()]
                panels.append((task.title, Panel(label.split(",")[0], label, "Accuracy, %", series)))
    return Drawing("settings", "Accuracy over EarlyRobust's settings", CURVE_NOTE, panels)


def _aua_percents(cell: Measured, recipe: str) -> list[float]:
    return [aua_percent(run) for attack in cell.attacks if attack.recipe == recipe for run in attack.runs.values()]


def _maps(tasks: Sequence[TaskResults]) -> Drawing:
    """Distances between the masks of a search, heads and neurons, from EarlyRobust's main cell."""
    maps = []
    for task in tasks:
        main = task.main(OURS)
        traces = [search_trace(record) for record in main.trainings.values()] if main else []
        for kind in STRUCTURES:
            found = [np.asarray(trace["mask_distances"][kind]) for trace in traces if "mask_distances" in trace]
            least = min(map(len, found), default=0)
            if least > 1:
                values = np.mean([matrix[:least, :least] for matrix in found], axis=0)
                maps.append((task.title, Map(kind.capitalize(), "Mini-epoch", values)))
    return Drawing("maps", "How the masks settle", MAP_NOTE, maps=maps)


def _layers(tasks: Sequence[TaskResults]) -> Drawing:
    """Kept heads and neurons per layer, from the main cell of each method that draws tickets of these."""
    panels = []
    for task in tasks:
        drawing = dict.fromkeys(cell.defense for cell in task.cells if _kept(cell, STRUCTURES[0]))
        cells = [main for name in drawing if (main := task.main(name))]
        for kind in STRUCTURES:
            kept = {cell.title: _kept(cell, kind) for cell in cells}
            series = [
                _series(name, list(range(1, len(runs[0]) + 1)), list(zip(*runs, strict=True)))
                for name, runs in kept.items()
                if runs
            ]
            if series:
                panels.append((task.title, Panel(kind.capitalize(), "Layer", "Kept", series)))
    return Drawing("layers", "What tickets keep in each layer", LAYER_NOTE, panels)


def _kept(cell: Measured, kind: str) -> list[list[int]]:
    return [trace["kept"][kind] for record in cell.trainings.values() if "kept" in (trace := search_trace(record))]


def _series(name: str, x: Sequence[float], values: Sequence[Sequence[float]]) -> Series:
    found = [summarise(list(each)) for each in values]
    return Series(name, x, [each.mean for each in found], [each.std for each in found])
