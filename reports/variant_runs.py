"""What a store has of the variants of an experiment: their trainings, attacks and searches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.experiments.experiment import Variant
from benchmarks.jobs.resolve import Row
from benchmarks.results.metrics import too_many_broke
from benchmarks.results.records import TrainingRecord
from benchmarks.results.store import Store
from reports.frame import AttackResult, attack_frame, training_frame

BySeed = dict[int, float]
STRUCTURES = ("heads", "neurons")


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
