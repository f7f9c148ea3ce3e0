"""What was measured on one task in one place: the main cell of each defense, its variants, and contrasts of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from benchmarks.data.tasks import title_of
from benchmarks.experiments.defenses import find_defense
from benchmarks.results.store import canonical
from reports.listings import dotted
from reports.measured import Measured, aua_matrices, clean_matrices
from reports.statistics import Estimate, two_level

Quantity = Literal["Aua %", "Clean %"]

OURS = "early_robust"


@dataclass(frozen=True)
class TaskResults:
    """The victims of one task that were trained in the same surroundings.

    Attributes:
        task: the task's key.
        cells: the victims.
        left_out: victims of the task in other surroundings, which no comparison may mix with these.
    """

    task: str
    cells: tuple[Measured, ...]
    left_out: int = 0

    @property
    def title(self) -> str:
        """The task's title."""
        return title_of(self.task)

    def main(self, defense: str) -> Measured | None:
        """The defense as the tables have it: of its cells, the one with most settings as published for the task."""
        found = [cell for cell in self.cells if cell.defense == defense and cell.source is None]
        return min(found, key=_distance, default=None)

    def variants(self, *fields: str) -> list[Measured]:
        """EarlyRobust's cells that differ from the main one in some of these settings and in no other."""
        main = self.main(OURS)
        others = [cell for cell in self.cells if cell.defense == OURS and cell is not main]
        return [cell for cell in others if main and _different(main, cell) <= set(fields)]

    def variant(self, settings: Mapping[str, Any], *others: str) -> Measured | None:
        """The variant with these settings, which may differ from the main cell in `others` too."""
        for cell in self.variants(*settings, *others):
            if all(setting(cell, name) == value for name, value in settings.items()):
                return cell
        return None

    def by(self, field: str) -> dict[float, Measured]:
        """EarlyRobust's main cell and those that differ from it in one setting, by its value, ascending; empty where
        the main cell stands alone."""
        main, others = self.main(OURS), self.variants(field)
        cells = [main, *others] if main and others else []
        return dict(sorted((float(setting(cell, field)), cell) for cell in cells))


def _distance(cell: Measured) -> tuple[float, ...]:
    """Settings that are not the published ones; of equals, more runs, then attacked, then longer trained goes first."""
    return len(_changed(cell)), -len(cell.trainings), not cell.attacks, -float(cell.settings.get("epochs", 0))


def _defaults(cell: Measured) -> dict[str, Any]:
    return dotted(find_defense(cell.defense).for_task(cell.task).settings())


def setting(cell: Measured, name: str) -> Any:
    """A setting's value; a record from before the setting was there has its default."""
    return cell.settings.get(name, _defaults(cell).get(name))


def _different(first: Measured, second: Measured) -> set[str]:
    names = {*first.settings, *second.settings}
    return {name for name in names if setting(first, name) != setting(second, name)}


def _changed(cell: Measured) -> set[str]:
    defaults = _defaults(cell)
    return {name for name in {*defaults, *cell.settings} if setting(cell, name) != defaults.get(name)}


def task_results(cells: Sequence[Measured]) -> list[TaskResults]:
    """Per task, in the order given, the victims in the surroundings in which most runs were made."""
    groups: dict[str, dict[str, list[Measured]]] = {}
    for cell in cells:
        if cell.trainings:
            groups.setdefault(cell.task, {}).setdefault(canonical(cell.surroundings), []).append(cell)
    found = []
    for task, surroundings in groups.items():
        largest = max(surroundings.values(), key=lambda group: sum(len(cell.trainings) for cell in group))
        others = sum(map(len, surroundings.values())) - len(largest)
        found.append(TaskResults(task, tuple(largest), others))
    return found


def contrast(quantity: Quantity, plus: Sequence[Measured], minus: Sequence[Measured]) -> Estimate | None:
    """Mean of a quantity over some victims less its mean over others, paired by run and text; None where they share no
    run, or no attack."""
    matrices = (aua_matrices if quantity == "Aua %" else clean_matrices)([*plus, *minus])
    if matrices is None:
        return None
    more, less = matrices[: len(plus)], matrices[len(plus) :]
    return two_level(np.mean(more, axis=0) - np.mean(less, axis=0))
