"""Variants of one method side by side, with the change of each from the first."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.data.tasks import title_of
from benchmarks.experiments.experiment import Experiment
from reports.guards import cost_cells, cost_columns, guard_cells, guard_columns
from reports.kinds.of_variants import OfVariants, VariantData, only_renames
from reports.statistics import summarise, time_ratio, two_level
from reports.table1 import differing_conditions
from reports.tables import Column, FileColumn, Number, Table
from reports.variant_runs import BySeed, VariantRuns


class Variants(OfVariants):
    """A row for each variant, with its change from the first; no figures."""

    draws = False

    def changes(self, runs: Sequence[VariantRuns]) -> list[str]:
        first = reference_of(self.experiment, runs, runs[0].task).variant.label
        return [
            f"Changes are from {first!r}, paired by seed, those of Aua by text too, with 95 % intervals (of one run, "
            f"over texts alone); the time ratio is the variant's time over its time."
        ]

    def rows(self, data: VariantData) -> Table:
        return variant_table(self.experiment, data.runs, data.recipes, data.caption)


def variant_table(
    experiment: Experiment, runs: Sequence[VariantRuns], recipes: dict[str, str], caption: Sequence[str]
) -> Table:
    """One row per task and variant, with its change from the task's reference.

    Args:
        runs: by task.
        recipes: titles by key, in the order of the columns.
    """
    shown = [each for each in runs if not only_renames(each.variant, recipes)]
    of_answers = cost_columns([record for each in shown for record in each.trained])
    of_guards = guard_columns(recipes, [result for each in shown for result in each.attacks])
    columns = [Column("Task", "task", False), Column("Variant", "variant", False), Column("Clean %", "clean_percent")]
    for key, title in recipes.items():
        columns += [
            Column(f"{title} Aua %", f"{key}_aua_percent"),
            FileColumn(f"{title} #Query", f"{key}_queries"),
        ]
    columns += [
        Column("Draw epoch", "draw_epoch"),
        FileColumn("Stop epoch", "stop_epoch"),
        Column("Training s", "training_seconds"),
        *of_answers,
        FileColumn("Kept %", "parameters_kept_percent"),
        FileColumn("Runs", "runs"),
        Column("Change of Clean", "clean_percent_change"),
        *(column for key, title in recipes.items() for column in _change_columns(key, title)),
        FileColumn("Change of draw epoch", "draw_epoch_change"),
        Column("Time ratio", "training_time_ratio"),
        *of_guards,
    ]
    rows = tuple(
        (
            *_row(each, reference_of(experiment, runs, each.task), list(recipes), of_answers),
            *guard_cells(of_guards, each.attacks),
        )
        for each in shown
    )
    broken = any(outcome.status == "error" for each in shown for result in each.attacks for outcome in result.outcomes)
    complete = all(each.missing == 0 and all(result.complete for result in each.attacks) for each in shown)
    return Table(experiment.title, tuple(columns), rows, tuple(caption), incomplete=broken or not complete)


def reference_of(experiment: Experiment, runs: Sequence[VariantRuns], task: str) -> VariantRuns:
    """The reference runs of a task: the variant that the experiment names if it was run, otherwise the first."""
    mine = [each for each in runs if each.task == task]
    return next((each for each in mine if each.variant.key == experiment.reference), mine[0])


def _row(
    own: VariantRuns, first: VariantRuns, recipes: Sequence[str], of_answers: Sequence[Column]
) -> tuple[Number | str, ...]:
    cells: list[Number | str] = [title_of(own.task), own.variant.label, _mean(own.clean_percents())]
    for key in recipes:
        cells += [_mean(own.attack_values(key, "aua_percent")), _mean(own.attack_values(key, "queries"))]
    cells += [_mean(own.search_values("draw_epoch"), 2), _mean(own.search_values("stop_epoch"), 2)]
    cells.append(_mean(own.seconds()))
    cells += cost_cells(of_answers, own.trained[0]) if own.trained else [Number(math.nan)] * len(of_answers)
    cells += [_mean(own.kept_percents()), Number(len(own.clean_percents()), digits=0)]
    cells.append(_change(own, first, VariantRuns.clean_percents))
    for key in recipes:
        cells += _aua_change(own, first, key)
    cells.append(_change(own, first, lambda runs: runs.search_values("draw_epoch"), 2))
    return (*cells, _time_ratio(own, first))


def _mean(values: BySeed, digits: int = 1) -> Number:
    summary = summarise(list(values.values()))
    return Number(summary.mean, summary.std, digits)


def _change(own: VariantRuns, first: VariantRuns, values: Callable[[VariantRuns], BySeed], digits: int = 1) -> Number:
    """Difference from the first, paired by seed; blank for the first itself."""
    if own is first:
        return Number(math.nan)
    mine, plain = values(own), values(first)
    return _mean({seed: mine[seed] - plain[seed] for seed in mine.keys() & plain.keys()}, digits)


def _change_columns(recipe: str, title: str) -> list[Column]:
    key = f"{recipe}_aua_percent_change"
    return [
        Column(f"Change of {title} Aua", key),
        FileColumn("Low", f"{key}_low"),
        FileColumn("High", f"{key}_high"),
    ]


def _aua_change(own: VariantRuns, first: VariantRuns, column: str) -> list[Number]:
    """Difference of Aua% from the first with its 95 % interval, paired by seed and text; blank for the first itself and
    if the two were not attacked on the same texts."""
    mine, plain = ({} if own is first else runs.withstood(column) for runs in (own, first))
    seeds = sorted(mine.keys() & plain.keys())
    if not seeds or any(mine[seed].keys() != plain[seed].keys() for seed in seeds):
        return [Number(math.nan)] * 3
    texts = sorted(mine[seeds[0]])
    differences = [[100.0 * (mine[seed][text] - plain[seed][text]) for text in texts] for seed in seeds]
    found = two_level(np.array(differences))
    return [Number(value) for value in (found.value, found.low, found.high)]


def _time_ratio(own: VariantRuns, first: VariantRuns) -> Number:
    """Time of the variant over that of the first, paired by seed; blank for the first and under other conditions."""
    if own is first or differing_conditions([*first.trained, *own.trained]):
        return Number(math.nan)
    return Number(time_ratio(own.seconds(), first.seconds()).mean, digits=2, suffix="×")
