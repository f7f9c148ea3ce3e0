"""What tables say of guarded models: the cost of an answer, successes by chance, and certified accuracy.

A table without guarded models has none of these columns: every answer costs one pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from benchmarks.attacks.certificates import LEVEL, RELEASED_LEVEL
from benchmarks.results.metrics import (
    abstention_percent,
    certified_percent,
    contradicted,
    first_flip_aua_percent,
    median_radius,
    uncovered_percent,
)
from benchmarks.results.records import Outcome, TrainingRecord
from reports.frame import AttackResult
from reports.statistics import summarise
from reports.tables import Column, FileColumn, Number

RADII = (0, 1, 2, 3, 5)
ANSWER_COST = Column("Answer cost", "answer_passes")

Rate = Callable[[Sequence[Outcome]], float]


def _copies(outcomes: Sequence[Outcome]) -> float:
    return max((each.certificate["copies"] for each in outcomes if each.certificate is not None), default=math.nan)


# Heading, key and value of each column on certificates
CERTIFIED: tuple[tuple[str, str, Rate], ...] = (
    *(
        (
            f"Certified % at {words} words, level {level:g}",
            f"certified_{words}_words{'_released' if level == RELEASED_LEVEL else ''}_percent",
            partial(certified_percent, words=words, released=level == RELEASED_LEVEL),
        )
        for level in (LEVEL, RELEASED_LEVEL)
        for words in RADII
    ),
    ("Median radius", "median_radius", median_radius),
    ("Abstains %", "abstention_percent", abstention_percent),
    ("Certifying copies", "certifying_copies", _copies),
)


def answer_passes(record: TrainingRecord) -> float:
    """The cost of an answer of a trained model, in forward passes."""
    return 1.0 if record.guard is None else float(record.guard["passes"])


def cost_columns(trained: Sequence[TrainingRecord]) -> list[Column]:
    """The column with the cost of an answer, if a model has a guard."""
    return [ANSWER_COST] if any(record.guard is not None for record in trained) else []


def cost_cells(columns: Sequence[Column], record: TrainingRecord) -> list[Number]:
    """That cost, under these columns."""
    return [Number(answer_passes(record)) for _ in columns]


def guard_columns(recipes: Mapping[str, str], results: Sequence[AttackResult]) -> list[Column]:
    """The columns on chance and certificates, those that the attacks have values for.

    Args:
        recipes: titles by key.
    """
    outcomes = [outcome for result in results for outcome in result.outcomes]
    columns = []
    if any(outcome.first_flip is not None for outcome in outcomes):
        columns += [
            FileColumn(f"{title} first-flip Aua %", f"{key}_first_flip_aua_percent") for key, title in recipes.items()
        ]
    if any(outcome.certificate is not None for outcome in outcomes):
        columns += [FileColumn(heading, key) for heading, key, _ in CERTIFIED]
        columns += [FileColumn(f"{title} uncovered %", f"{key}_uncovered_percent") for key, title in recipes.items()]
    return columns


def guard_cells(columns: Sequence[Column], results: Sequence[AttackResult]) -> list[Number]:
    """The values of a row under these columns, as means over runs; blank without sound attacks.

    Certificates do not depend on the attack: those of the first recipe are shown.
    """
    by_recipe: dict[str, list[Sequence[Outcome]]] = {}
    for result in results:
        if result.sound:
            by_recipe.setdefault(result.record.recipe, []).append(result.outcomes)
    rates: dict[str, Rate] = {key: rate for _, key, rate in CERTIFIED}
    first = next(iter(by_recipe.values()), [])
    cells = []
    for column in columns:
        if column.key in rates:
            values = [rates[column.key](outcomes) for outcomes in first]
        else:
            ending = (
                "_first_flip_aua_percent" if column.key.endswith("_first_flip_aua_percent") else "_uncovered_percent"
            )
            rate = first_flip_aua_percent if ending == "_first_flip_aua_percent" else uncovered_percent
            values = [rate(outcomes) for outcomes in by_recipe.get(column.key.removesuffix(ending), [])]
        summary = summarise([value for value in values if math.isfinite(value)])
        cells.append(Number(summary.mean, summary.std))
    return cells


def guard_caption(trained: Sequence[TrainingRecord], results: Sequence[AttackResult]) -> list[str]:
    """Sentences on guarded models, and on certificates that an attack has refuted."""
    titles = dict.fromkeys(record.title for record in trained if record.guard is not None)
    if not titles:
        return []
    lines = [f"{', '.join(titles)} answer by several passes of the model; Answer cost is in forward passes."]
    certified = [result for result in results if any(each.certificate is not None for each in result.outcomes)]
    if certified:
        lines.append(
            "Certified %: texts read rightly and proven to stay so under any change of that many words which the "
            "certificate covers; uncovered %: successful attacks that made another change."
        )
    refuted = sum(len(contradicted(result.outcomes)) for result in certified)
    if refuted:
        lines.append(f"{refuted} certificates were refuted by an attack: they prove nothing.")
    return lines
