"""Methods side by side, as in Table 1."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from benchmarks.jobs.resolve import Study
from benchmarks.results.records import TrainingRecord
from benchmarks.results.store import Store
from reports.external import ExternalResult, external_caption, external_results
from reports.figures import Panel, Series, draw_panels
from reports.frame import AttackResult
from reports.kinds.kind import Kind
from reports.kinds.of_variants import replaced_tasks
from reports.sources import results_of, there, trainings_of
from reports.suspicions import suspicion_notes
from reports.table1 import caption, table1
from reports.tables import Table
from reports.variant_runs import gather

if TYPE_CHECKING:
    from matplotlib.figure import Figure

AUA = "_aua_percent"


@dataclass(frozen=True)
class MethodsData:
    """What the table and the figures on methods show.

    Attributes:
        trained, attacks: the stored records of the runs.
        externals: evaluated external victims.
        recipes: titles of the attacks by key.
        caption: the conditions of the numbers, in sentences.
        missing: whether a planned training or attack is not stored.
    """

    trained: Sequence[TrainingRecord]
    attacks: Sequence[AttackResult]
    externals: Sequence[ExternalResult]
    recipes: dict[str, str]
    caption: Sequence[str] = ()
    missing: bool = False


class Methods(Kind[Study, MethodsData]):
    """A row for each method and for each external victim."""

    def gather(self, source: Study) -> MethodsData:
        origin, runs = source.provenance, gather(source.store, source.rows)
        externals = external_results(source.store, origin)
        trained = [record for each in runs for record in each.trained]
        attacks = [result for each in runs for result in each.attacks]
        signs = suspicion_notes(source.store, trained, [each.record for each in externals])
        about = [*external_caption(externals), *signs, *replaced_tasks(origin, self.experiment)]
        lines = [*caption(origin, trained, attacks), *about]
        missing = any(each.missing for each in runs)
        return MethodsData(trained, attacks, externals, origin.recipes, lines, missing)

    def table(self, data: MethodsData) -> Table:
        table = _table(data, self.experiment.title)
        return replace(table, incomplete=table.incomplete or data.missing)

    def figures(self, data: MethodsData, table: Table) -> dict[str, Figure]:
        key = self.experiment.key
        return self._pareto(data, table, f"{key}_pareto") | self._speedups(table, f"{key}_speedup")

    def _pareto(self, data: MethodsData, table: Table, name: str) -> dict[str, Figure]:
        """Training time against accuracy under each attack, a row of panels per task."""
        tasks = table.by("task")
        rows = [
            [
                Panel(
                    f"{task}, {title}",
                    "Training, seconds",
                    "Aua, %",
                    [
                        Series(
                            str(row["method"]),
                            [row["training_seconds"].mean],
                            [row[f"{key}_aua_percent"].mean],
                            [row[f"{key}_aua_percent"].std],
                            joined=False,
                        )
                        for row in members
                    ],
                    logarithmic="x",
                    frontier=True,
                )
                for key, title in data.recipes.items()
            ]
            for task, members in tasks.items()
        ]
        rows = [[panel for panel in row if _has_points(panel)] for row in rows]
        title = "Training time against robustness; dashed: no method is both faster and more robust"
        return {name: draw_panels(title, list(filter(None, rows)))} if any(rows) else {}

    def _speedups(self, table: Table, name: str) -> dict[str, Figure]:
        """Predicted against measured speedup of EarlyRobust over each method, if it is among them."""
        rows = []
        for task, members in table.by("task").items():
            costs = {
                str(row["method"]): (
                    row["predicted_fine_tuning_costs"].mean,
                    row["measured_fine_tuning_costs"].mean,
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

    @classmethod
    def rebuild(cls, store: Store, content: Mapping[str, Any]) -> Table:
        """Make the table again; the recipes of an old table are known from its columns alone."""
        sources = content["sources"]
        in_rows = {name.removesuffix(AUA): name for row in content["rows"][:1] for name in row if name.endswith(AUA)}
        recipes = sources.get("recipes", in_rows)
        data = MethodsData(
            trainings_of(store, sources), results_of(store, sources), externals_of(store, sources), recipes
        )
        return _table(data, content["title"])


def _table(data: MethodsData, title: str) -> Table:
    return table1(data.trained, data.attacks, data.recipes, data.caption, title, data.externals)


def externals_of(store: Store, sources: Mapping[str, Any]) -> list[ExternalResult]:
    """The external victims of a table, with the attacks on them; old tables have none."""
    found = []
    for key in sources.get("evaluations", ()):
        attacks = [each for each in store.attacks() if each.training_key == key]
        results = {each.recipe: AttackResult(each, store.outcomes(each.key)) for each in attacks}
        found.append(ExternalResult(there(store.evaluation(key), key), results))
    return found


def _has_points(panel: Panel) -> bool:
    return any(math.isfinite(value) for series in panel.series for value in series.y)
