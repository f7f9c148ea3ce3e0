"""Draw accuracy under attack by the number of allowed queries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reports.attack_report import Curve
from reports.figures import Panel, Series, draw_panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Accuracy under attack by query budget, mean over runs"


def draw_budgets(curves: Sequence[Curve]) -> Figure:
    """A row of panels per task, a panel per attack, a step line per method."""
    tasks = dict.fromkeys(curve.task for curve in curves)
    return draw_panels(TITLE, [_panels([curve for curve in curves if curve.task == task]) for task in tasks])


def _panels(curves: Sequence[Curve]) -> list[Panel]:
    return [
        Panel(
            f"{curves[0].task}, {attack}",
            "Queries allowed per text",
            "Aua, %",
            [
                Series(curve.method, curve.queries, curve.aua_percent, steps=True)
                for curve in curves
                if curve.attack == attack
            ],
        )
        for attack in dict.fromkeys(curve.attack for curve in curves)
    ]
