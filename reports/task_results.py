"""The measurements on one task under the same conditions: each defense's main cell, its variants, and contrasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from benchmarks.data.tasks import title_of
from benchmarks.experiments.defenses import find_defense
from benchmarks.results.store import canonical
from reports.listings import dotted
from reports.measured import Cell, Measured, aua_matrices, clean_matrices, shared_conditions
from reports.statistics import Estimate, two_level

Quantity = Literal["Aua %", "Clean %"]

OURS = "early_robust"


@dataclass(frozen=True)
class TaskResults:
    """The victims of one task that were trained under the same conditions.

    Attributes:
        task: the task's key.
        cells: the victims.
        left_out: victims of the task under other conditions, which must not be mixed with these.
    """

    task: str
    cells: tuple[Measured, ...]
    left_out: int = 0

    @property
    def title(self) -> str:
        """The task's title."""
        return title_of(self.task)

    def main(self, defense: str) -> Measured | None:
        """The defense as in the tables: of its cells, the one with most settings as published for the task."""
        found = [cell for cell in self.cells if cell.defense == defense and cell.source is None]
        return min(found, key=_distance, default=None)

    def variants(self, *fields: str) -> list[Measured]:
        """EarlyRobust's cells that differ from the main one only in some of these settings."""
        main = self.main(OURS)
        others = [cell for cell in self.cells if cell.defense == OURS and cell is not main]
        return [cell for cell in others if main and different(main, cell) <= set(fields)]

    def variant(self, settings: Mapping[str, Any], *others: str) -> Measured | None:
        """The variant with these settings, which may also differ from the main cell in `others`."""
        for cell in self.variants(*settings, *others):
            if all(setting(cell, name) == value for name, value in settings.items()):
                return cell
        return None

    def by(self, field: str) -> dict[float, Measured]:
        """EarlyRobust's main cell and those that differ from it in one setting, by its value, ascending; empty if there
        are no others."""
        main, others = self.main(OURS), self.variants(field)
        cells = [main, *others] if main and others else []
        return dict(sorted((float(setting(cell, field)), cell) for cell in cells))


def _distance(cell: Measured) -> tuple[float, ...]:
    """Sort key: number of settings not as published; then more runs, attacked ones, longer trained ones first."""
    return len(_changed(cell)), -len(cell.trainings), not cell.attacks, -float(cell.settings.get("epochs", 0))


def _defaults(cell: Measured) -> dict[str, Any]:
    return dotted(find_defense(cell.defense).for_task(cell.task).settings())


def setting(cell: Measured, name: str) -> Any:
    """A setting's value; an older record without this setting has its default."""
    return cell.settings.get(name, _defaults(cell).get(name))


def different(first: Measured, second: Measured) -> set[str]:
    """The names of the settings in which two cells of one defense differ."""
    names = {*first.settings, *second.settings}
    return {name for name in names if setting(first, name) != setting(second, name)}


def _changed(cell: Measured) -> set[str]:
    defaults = _defaults(cell)
    return {name for name in {*defaults, *cell.settings} if setting(cell, name) != defaults.get(name)}


def task_results(cells: Sequence[Measured]) -> list[TaskResults]:
    """Per task, in the given order, the victims trained under the most frequent conditions."""
    groups: dict[str, dict[str, list[Measured]]] = {}
    for cell in cells:
        if cell.trainings:
            groups.setdefault(cell.task, {}).setdefault(canonical(shared_conditions(cell.surroundings)), []).append(
                cell
            )
    found = []
    for task, surroundings in groups.items():
        largest = max(surroundings.values(), key=lambda group: sum(len(cell.trainings) for cell in group))
        others = sum(map(len, surroundings.values())) - len(largest)
        found.append(TaskResults(task, tuple(largest), others))
    return found


def contrast(quantity: Quantity, plus: Sequence[Cell], minus: Sequence[Cell]) -> Estimate | None:
    """Mean of a quantity over some victims minus its mean over others, paired by run and text; None if they share no
    run, or no attack."""
    matrices = (aua_matrices if quantity == "Aua %" else clean_matrices)([*plus, *minus])
    if matrices is None:
        return None
    more, less = matrices[: len(plus)], matrices[len(plus) :]
    return two_level(np.mean(more, axis=0) - np.mean(less, axis=0))
