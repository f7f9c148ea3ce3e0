"""Tables of one method's variants: the results of each, and its change from the first."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.data.tasks import title_of
from benchmarks.experiments.experiment import Experiment, Variant
from benchmarks.jobs.provenance import Provenance, TaskProvenance
from benchmarks.jobs.resolve import Row
from benchmarks.results.metrics import too_many_broke
from benchmarks.results.records import TrainingRecord
from benchmarks.results.store import Store
from reports.frame import AttackResult, attack_frame, training_frame
from reports.statistics import summarise, time_ratio, two_level
from reports.table1 import differing_conditions, provenance, troubles
from reports.tables import Column, FileColumn, Number, Table

BySeed = dict[int, float]


@dataclass(frozen=True)
class VariantRuns:
    """The stored runs of one variant on one task.

    Attributes:
        task: the task's name.
        variant: the variant.
        trained: its trainings, by seed, ascending.
        attacks: the attacks on them.
        missing: number of trainings and attacks that are planned and not stored.
    """

    task: str
    variant: Variant
    trained: tuple[TrainingRecord, ...]
    attacks: tuple[AttackResult, ...]
    missing: int = 0

    def clean_percents(self) -> BySeed:
        """Clean% of each run."""
        frame = training_frame(self.trained)
        return _finite(zip(frame.seed, frame.clean_percent, strict=True))

    def kept_percents(self) -> BySeed:
        """Share of parameters left in each run, in percent."""
        frame = training_frame(self.trained)
        return _finite(zip(frame.seed, frame.kept_percent, strict=True))

    def seconds(self) -> BySeed:
        """Training seconds of each run with a time that counts."""
        frame = training_frame(self.trained)
        return _finite(zip(frame.seed, frame.seconds, strict=True))

    def attack_values(self, column: str, quantity: str) -> BySeed:
        """A quantity of each run under the recipe of the column `column`."""
        frame = attack_frame(self.attacks)
        own = frame[frame.recipe == self.variant.recipes.get(column, column)]
        return _finite(zip(own.seed, own[quantity], strict=True))

    def withstood(self, column: str) -> dict[int, dict[str, bool]]:
        """Whether each attacked text is still read correctly, by run and text, if the whole attack can be used."""
        recipe = self.variant.recipes.get(column, column)
        return {
            result.record.seed: {outcome.example_id: outcome.status == "failed" for outcome in result.outcomes}
            for result in self.attacks
            if result.record.recipe == recipe and result.complete and not too_many_broke(result.outcomes)
        }

    def search_values(self, name: str) -> BySeed:
        """A number recorded by each run's search; empty for a variant without a search."""
        traces = {record.seed: search_trace(record) for record in self.trained}
        return {seed: float(trace[name]) for seed, trace in traces.items() if name in trace}


def _finite(pairs: Any) -> BySeed:
    return {int(seed): float(value) for seed, value in pairs if math.isfinite(value)}


def search_trace(record: TrainingRecord) -> dict[str, Any]:
    """The trace of a training's search; empty if there was none."""
    return next((stage["trace"] for stage in record.stages if stage["name"] == "search"), {})


def gather(store: Store, rows: Sequence[Row]) -> list[VariantRuns]:
    """What the store has of each variant on each task of a run."""
    return [_gather(store, row) for row in rows]


def _gather(store: Store, row: Row) -> VariantRuns:
    trained = [record for job in row.trainings if (record := job.record(store)) is not None]
    attacked = [record for job in row.attacks if (record := job.record(store)) is not None]
    results = tuple(AttackResult(record, store.outcomes(record.key)) for record in attacked)
    finished = {record.key for record in trained if record.status == "finished"}
    missing = len(row.trainings) - len(finished) + sum(job.training in finished for job in row.attacks) - len(results)
    return VariantRuns(row.task, row.variant, tuple(trained), results, missing)


def variant_table(
    experiment: Experiment, runs: Sequence[VariantRuns], recipes: dict[str, str], caption: Sequence[str]
) -> Table:
    """One row per task and variant, with its change from the task's reference.

    Args:
        runs: by task.
        recipes: titles by key, in the order of the columns.
    """
    shown = [each for each in runs if not only_renames(each.variant, recipes)]
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
        FileColumn("Kept %", "parameters_kept_percent"),
        FileColumn("Runs", "runs"),
        Column("Change of Clean", "clean_percent_change"),
        *(column for key, title in recipes.items() for column in _change_columns(key, title)),
        FileColumn("Change of draw epoch", "draw_epoch_change"),
        Column("Time ratio", "training_time_ratio"),
    ]
    rows = tuple(_row(each, _reference(experiment, runs, each.task), list(recipes)) for each in shown)
    broken = any(outcome.status == "error" for each in shown for result in each.attacks for outcome in result.outcomes)
    complete = all(each.missing == 0 and all(result.complete for result in each.attacks) for each in shown)
    return Table(experiment.title, tuple(columns), rows, tuple(caption), incomplete=broken or not complete)


def _reference(experiment: Experiment, runs: Sequence[VariantRuns], task: str) -> VariantRuns:
    """The reference runs of a task: the experiment's own choice if it was run, otherwise the first."""
    mine = [each for each in runs if each.task == task]
    return next((each for each in mine if each.variant.key == experiment.reference), mine[0])


def only_renames(variant: Variant, recipes: Sequence[str] | dict[str, str]) -> bool:
    """Whether a variant only replaces the recipe of a column that the table does not have."""
    return bool(variant.recipes) and not variant.settings and not set(variant.recipes) & set(recipes)


def _row(own: VariantRuns, first: VariantRuns, recipes: Sequence[str]) -> tuple[Number | str, ...]:
    cells: list[Number | str] = [title_of(own.task), own.variant.label, _mean(own.clean_percents())]
    for key in recipes:
        cells += [_mean(own.attack_values(key, "aua_percent")), _mean(own.attack_values(key, "queries"))]
    cells += [_mean(own.search_values("draw_epoch"), 2), _mean(own.search_values("stop_epoch"), 2)]
    cells += [_mean(own.seconds()), _mean(own.kept_percents()), Number(len(own.clean_percents()), digits=0)]
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


def variant_caption(origin: Provenance, experiment: Experiment, runs: Sequence[VariantRuns]) -> list[str]:
    """What the numbers rest on, in sentences."""
    trained = list({record.key: record for each in runs for record in each.trained}.values())
    lines = [*provenance(origin, trained), *replaced_tasks(origin, experiment), *_left_out(experiment, runs)]
    if experiment.kind in ("variants", "curves"):
        first = _reference(experiment, runs, runs[0].task).variant.label
        lines.append(
            f"Changes are from {first!r}, paired by seed, those of Aua by text too, with 95 % intervals (of one run, "
            f"over texts alone); the time ratio is the variant's time over its time."
        )
    if experiment.note:
        lines.append(experiment.note)
    if any(each.variant.settings.get("search_shuffle") is False for each in runs):
        lines.append(f"Stored order: {'; '.join(_sortedness(task) for task in origin.tasks.values())}.")
    if any(only_renames(each.variant, origin.recipes) for each in runs):
        lines.append(
            "What 'BERT-Attack' is was not compared: it takes --recipes bertattack,bertattack_official, and --assets "
            "with the masked language model."
        )
    unsettled = [
        f"{each.variant.label} on {each.task}, seed {record.seed}"
        for each in runs
        for record in each.trained
        if search_trace(record).get("converged") is False
    ]
    if unsettled:
        lines.append(f"Searches whose masks had not settled by their end: {'; '.join(unsettled)}.")
    names: dict[str, str] = {}
    for each in runs:
        for record in each.trained:
            names.setdefault(record.key, each.variant.label)
    return [*lines, *troubles(trained, [result for each in runs for result in each.attacks], names)]


def replaced_tasks(origin: Provenance, experiment: Experiment) -> list[str]:
    """A sentence where the experiment was not run on the paper's tasks."""
    if experiment.tasks is None or set(origin.tasks) <= set(experiment.tasks):
        return []
    wanted = ", ".join(title_of(task) for task in experiment.tasks)
    found = ", ".join(task.title for task in origin.tasks.values())
    return [f"The experiment is about {wanted}; this run of it is on {found}."]


def _left_out(experiment: Experiment, runs: Sequence[VariantRuns]) -> list[str]:
    shown = {each.variant.key for each in runs}
    absent = [variant.key for variant in experiment.variants if variant.key not in shown]
    return [f"Not run here: {', '.join(absent)}; --variants takes them by name."] if absent else []


def _sortedness(task: TaskProvenance) -> str:
    return (
        f"in {task.title} {100 * task.repeated_labels:.0f} % of neighbouring training texts share a label "
        f"({100 / task.classes:.0f} % would in a shuffled set of equal classes)"
    )
