"""What each attack of a cascade adds: Aua % after each stage, by threat model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.results.metrics import aua_after_stages, aua_percent
from benchmarks.results.records import Outcome
from reports.statistics import summarise
from reports.tables import Column, Number, Table

TITLE = "Worst case by stage"
NOTE = (
    "Each attack is made on the texts that the earlier ones of its threat model left right. Aua % is the share of all "
    "drawn texts that no attack so far has broken; of the last row, those that withstood every threat model."
)
COLUMNS = (
    Column("Task", "task", False),
    Column("Method", "method", False),
    Column("Threat model", "threat", False),
    Column("Attack", "stage", False),
    Column("Texts attacked", "attacked"),
    Column("Aua % after it", "aua_percent"),
)


class Staged(NamedTuple):
    """A cascade's outcomes.

    Attributes:
        task, method: as in other tables.
        stages: threat model and key of its attacks, in order.
        runs: the outcomes of each run.
    """

    task: str
    method: str
    stages: Sequence[tuple[str, str]]
    runs: Sequence[Sequence[Outcome]]


def stages_of(identity: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Threat model and key of a stored attack's stages, in order; empty for a single attack."""
    recipe = identity.get("recipe")
    stages = recipe.get("stages", ()) if isinstance(recipe, Mapping) else ()
    return tuple((stage["threat"], stage["recipe"]["key"]) for stage in stages)


def stage_table(cascades: Iterable[Staged]) -> Table:
    """A row for each stage, and one for all; means over runs. No rows without a cascade."""
    rows: list[tuple[Number | str, ...]] = []
    for each in cascades:
        for threat in dict.fromkeys(threat for threat, _ in each.stages):
            keys = [key for other, key in each.stages if other == threat]
            after = [aua_after_stages(outcomes, keys) for outcomes in each.runs]
            for place, key in enumerate(keys):
                asked = [sum(key in (outcome.stages or {}) for outcome in outcomes) for outcomes in each.runs]
                shares = summarise([run[place] for run in after])
                row = (each.task, each.method, threat, key, Number(summarise(asked).mean, digits=0))
                rows.append((*row, Number(shares.mean, shares.std)))
        if each.stages:
            shares = summarise([aua_percent(outcomes) for outcomes in each.runs])
            row = (each.task, each.method, "all", "", Number(sum(map(len, each.runs)) / len(each.runs), digits=0))
            rows.append((*row, Number(shares.mean, shares.std)))
    return Table(TITLE, COLUMNS, tuple(rows), (NOTE,))
