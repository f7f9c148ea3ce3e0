"""What a run will do, what is stored already, and how long the rest is likely to take."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from benchmarks.clock.cost import epoch_units
from benchmarks.results.records import TrainingRecord
from benchmarks.runs.experiments import Cell
from benchmarks.runs.runner import stored_attacks, training_batches, training_key, victim_of
from benchmarks.runs.setup import Setup

# Queries an attack makes per word of the text, order of magnitude: one to rank the word, and some ten candidates for
# the words that are tried. Only the plan's estimate rests on it.
QUERIES_PER_WORD = 5.0


@dataclass(frozen=True)
class PlannedCell:
    """One cell with what the store has of it.

    Attributes:
        cell: the cell.
        key: the name of its training in the store; cells with other attacks on one model share it.
        trained: its training record, or None.
        attacks_stored, attacks_planned: attacks on its model.
    """

    cell: Cell
    key: str
    trained: TrainingRecord | None
    attacks_stored: int
    attacks_planned: int

    @property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        return self.trained is not None and (
            self.trained.status == "diverged" or self.attacks_stored == self.attacks_planned
        )


@dataclass(frozen=True)
class Plan:
    """All cells of a run, in order, with an estimate.

    Attributes:
        cells: what is planned.
        train_seconds, attack_seconds: likely duration of what is not stored yet.
        disk_bytes: what the models still to be made will take.
    """

    cells: tuple[PlannedCell, ...]
    train_seconds: float
    attack_seconds: float
    disk_bytes: int

    def lines(self) -> list[str]:
        """The plan in a few lines for the screen."""
        trainings = {planned.key: planned.trained is not None for planned in self.cells}
        stored = sum(planned.attacks_stored for planned in self.cells)
        attacks = sum(planned.attacks_planned for planned in self.cells)
        lines = [
            f"plan: {len(trainings)} trainings ({sum(trainings.values())} stored already), "
            f"{attacks} attacks ({stored} stored already)"
        ]
        if all(planned.done for planned in self.cells):
            return [*lines, "nothing left to run"]
        total = self.train_seconds + self.attack_seconds
        lines.append(
            f"likely {_duration(total)}: training {_duration(self.train_seconds)}, attacks "
            f"{_duration(self.attack_seconds)}; {self.disk_bytes / 1e9:.1f} GB of models"
        )
        return lines


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def make_plan(setup: Setup, cells: Sequence[Cell]) -> Plan:
    """Looks every cell up in the store and times one update and one query on this machine for the rest."""
    planned = tuple(_look_up(setup, cell) for cell in cells)
    train_seconds = attack_seconds = 0.0
    disk_bytes = 0
    speeds: dict[str, tuple[float, float, int]] = {}
    counted: set[str] = set()
    for item in planned:
        if item.done:
            continue
        task = item.cell.task
        if task not in speeds:
            speeds[task] = _calibrate(setup, item.cell)
        update_seconds, text_seconds, model_bytes = speeds[task]
        if item.trained is None and item.key not in counted:
            counted.add(item.key)
            batches = training_batches(setup, setup.tasks[task], item.cell.seed)
            train_seconds += epoch_units(item.cell.defense) * batches.updates_per_epoch * update_seconds
            disk_bytes += model_bytes
        attacked = setup.under(item.cell.terms).tasks[task].attacked
        words = sum(len(" ".join(example.texts).split()) for example in attacked)
        missing = item.attacks_planned - item.attacks_stored
        attack_seconds += missing * words * QUERIES_PER_WORD * text_seconds
    return Plan(planned, train_seconds, attack_seconds, disk_bytes)


def _look_up(setup: Setup, cell: Cell) -> PlannedCell:
    key = training_key(setup, cell)
    trained = setup.store.training(key)
    stored = 0
    if trained is not None:
        stored = sum(record is not None for _, record in stored_attacks(setup.under(cell.terms), trained))
    return PlannedCell(cell, key, trained, stored, len(setup.recipes))


def _calibrate(setup: Setup, cell: Cell) -> tuple[float, float, int]:
    """Seconds of one fine-tuning update, seconds of one query, and bytes of one model, on throw-away weights."""
    task = setup.tasks[cell.task]
    model = setup.backbone.new_classifier(len(task.dataset.label_names), cell.seed).to(setup.device)
    batches = training_batches(setup, task, cell.seed)
    durations = []
    for batch, _ in zip(batches.epoch(0), range(3), strict=False):
        started = time.perf_counter()
        model(**batch.to(setup.device).inputs(), labels=batch.labels.to(setup.device)).loss.backward()
        if setup.device == "cuda":
            torch.cuda.synchronize()
        durations.append(time.perf_counter() - started)
    victim = victim_of(setup, task, model)
    texts = [example.texts for example in task.attacked[:16]]
    victim(texts)
    started = time.perf_counter()
    victim(texts)
    text_seconds = (time.perf_counter() - started) / len(texts)
    size = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    return min(durations), text_seconds, size
