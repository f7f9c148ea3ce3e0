"""What a run will do, what is stored already, and how long the rest is likely to take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.executors.time_estimate import TaskSpeed, calibrate
from benchmarks.experiments.experiment import FIRST_SEED, Cell
from benchmarks.jobs.attack import stored_attacks
from benchmarks.jobs.resolve import Setup
from benchmarks.jobs.train import training_key
from benchmarks.results.records import TrainingRecord


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
            self.trained.status != "finished" or self.attacks_stored == self.attacks_planned
        )


@dataclass(frozen=True)
class Plan:
    """All cells of a run, in order, with an estimate.

    Attributes:
        cells: what is planned.
        train_seconds, attack_seconds: likely duration of what is not stored yet.
        disk_bytes: what the models still to be made will take.
        joules: what the GPU will take for training, or why that is not known.
        methods, methods_timed: different methods still to be trained, and how many of them were timed for the estimate.
    """

    cells: tuple[PlannedCell, ...]
    train_seconds: float
    attack_seconds: float
    disk_bytes: int
    joules: float | str
    methods: int
    methods_timed: int

    @classmethod
    def without_estimate(cls, setup: Setup, cells: Sequence[Cell]) -> Plan:
        """The plan of some cells, with what the store has of them; nothing is timed for it."""
        return cls(tuple(_look_up(setup, cell) for cell in cells), 0.0, 0.0, 0, None, 0, 0)

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
        unknown = isinstance(self.joules, str)
        energy = f"energy not available: {self.joules}" if unknown else f"{self.joules / 3.6e6:.2f} kWh"
        lines.append(
            f"likely {_duration(total)}: training {_duration(self.train_seconds)}, attacks "
            f"{_duration(self.attack_seconds)}; {self.disk_bytes / 1e9:.1f} GB of models; {energy}"
        )
        if self.methods_timed < self.methods:
            lines.append(
                f"a few updates of {self.methods_timed} of {self.methods} methods were timed; the others are predicted "
                f"from fine-tuning by the cost model"
            )
        return lines


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def make_plan(setup: Setup, cells: Sequence[Cell]) -> Plan:
    """Look every cell up in the store, and take a minute's look at this machine for those that are missing."""
    planned = look_up(setup, cells)
    missing = [item for item in planned if not item.done]
    train_seconds = attack_seconds = watt_seconds = 0.0
    disk_bytes = 0
    speeds = {task: _speed(setup, task, missing) for task in dict.fromkeys(item.cell.task for item in missing)}
    untrained = {item.key: item.cell for item in missing if item.trained is None}
    for cell in untrained.values():
        speed = speeds[cell.task]
        train_seconds += speed.train_seconds(cell.defense)
        watt_seconds += (speed.watts or 0.0) * speed.update_total(cell.defense)
        disk_bytes += speed.model_bytes
    for item in missing:
        under = setup.under(item.cell.terms)
        words = sum(len(" ".join(example.texts).split()) for example in under.tasks[item.cell.task].attacked)
        left = (item.attacks_planned - item.attacks_stored) / item.attacks_planned if item.attacks_planned else 0.0
        for recipe in under.recipes:
            attack_seconds += left * speeds[item.cell.task].attack_seconds(recipe.key, words)
    methods = {(cell.task, repr(cell.defense)): cell for cell in untrained.values()}
    return Plan(
        cells=planned,
        train_seconds=train_seconds,
        attack_seconds=attack_seconds,
        disk_bytes=disk_bytes,
        joules=watt_seconds if any(speed.watts for speed in speeds.values()) else _no_energy(setup),
        methods=len(methods),
        methods_timed=sum(speeds[cell.task].was_timed(cell.defense) for cell in methods.values()),
    )


def _no_energy(setup: Setup) -> str:
    return "there is no GPU in use" if setup.device == "cpu" else "the GPU reports no power"


def _speed(setup: Setup, task: str, missing: Sequence[PlannedCell]) -> TaskSpeed:
    """What the task's work costs here; only methods that are still to be trained are timed."""
    cells = [item.cell for item in missing if item.cell.task == task and item.trained is None]
    return calibrate(setup, task, [cell.defense for cell in cells], FIRST_SEED)


def look_up(setup: Setup, cells: Sequence[Cell]) -> tuple[PlannedCell, ...]:
    """What the store has of each cell."""
    return tuple(_look_up(setup, cell) for cell in cells)


def _look_up(setup: Setup, cell: Cell) -> PlannedCell:
    key = training_key(setup, cell)
    trained = setup.store.training(key)
    stored = 0
    if trained is not None:
        stored = sum(record is not None for _, record in stored_attacks(setup.under(cell.terms), trained))
    return PlannedCell(cell, key, trained, stored, len(setup.recipes))
