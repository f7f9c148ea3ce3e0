"""Why a training is not taken from the store: the nearest stored one, and the fields in which it differs."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.jobs.plan import Plan
from benchmarks.jobs.resolve import Setup
from benchmarks.results.store import differences

SHOWN = 3


def stored_otherwise(setup: Setup, plan: Plan) -> Iterator[str]:
    """A line for each method of which the store has none of the planned trainings, but the same seed otherwise."""
    stored = list(setup.store.trainings())
    told = {(each.cell.task, each.cell.defense.key) for each in plan.cells if each.trained is not None}
    for cell in (planned.cell for planned in plan.cells if planned.trained is None):
        wanted = setup.training_identity(cell)
        alike = ("task", "defense", "seed")
        candidates = [
            list(differences(record.identity, wanted))
            for record in stored
            if all(record.identity.get(name) == wanted[name] for name in alike)
        ]
        if candidates and (cell.task, cell.defense.key) not in told:
            told.add((cell.task, cell.defense.key))
            nearest = min(candidates, key=len)
            more = f" and {len(nearest) - SHOWN} more" if len(nearest) > SHOWN else ""
            yield f"{cell.task} {cell.defense.title} is stored otherwise: {'; '.join(nearest[:SHOWN])}{more}"
