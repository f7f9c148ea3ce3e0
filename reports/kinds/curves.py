"""Curves over a hyperparameter of one method."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarks.data.tasks import title_of
from reports.figures import Panel, Series, draw_panels
from reports.kinds.of_variants import VariantData
from reports.kinds.variants import Variants
from reports.statistics import summarise
from reports.tables import Table
from reports.variant_runs import VariantRuns

if TYPE_CHECKING:
    from matplotlib.figure import Figure

AXES = {
    "γ": "γ, bound on the distance of masks",
    "heads": "Heads pruned, %",
    "neurons": "Neurons pruned, %",
}
BAND = "bands: ± one standard deviation over runs"


class Curves(Variants):
    """The variants as points of curves."""

    draws = True

    def figures(self, data: VariantData, table: Table) -> dict[str, Figure]:
        """Clean% and Aua% over each hyperparameter, a row of panels per task; for γ also the draw epochs."""
        rows = []
        for task in dict.fromkeys(each.task for each in data.runs):
            mine = [each for each in data.runs if each.task == task]
            panels = []
            for curve in dict.fromkeys(each.variant.curve for each in mine):
                points = sorted((each for each in mine if each.variant.curve == curve), key=_place)
                x = [_place(each) for each in points]
                title, axis = title_of(task), AXES[curve]
                scale = "x" if curve == "γ" else ""
                measured = [_series("Clean", x, [each.clean_percents() for each in points])]
                measured += [
                    _series(f"Aua, {name}", x, [each.attack_values(key, "aua_percent") for each in points])
                    for key, name in data.recipes.items()
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
        return {self.experiment.key: draw_panels(f"{self.experiment.title}{band}", rows)}


def _place(runs: VariantRuns) -> float:
    return math.nan if runs.variant.x is None else runs.variant.x


def _series(name: str, x: Sequence[float], values: Sequence[dict[int, float]]) -> Series:
    summaries = [summarise(list(each.values())) for each in values]
    return Series(name, x, [each.mean for each in summaries], [each.std for each in summaries])
