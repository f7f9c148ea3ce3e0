"""The page's results table: a row per task, method and attack with its runs; blank if no usable result is stored."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.data.tasks import TASKS, Task
from benchmarks.results.metrics import BROKEN_PERCENT, aua_percent, mean_queries
from benchmarks.results.records import AttackRecord, TrainingRecord
from benchmarks.results.store import content_key
from reports.attack_groups import NamedAttack, named_attacks, told_apart
from reports.frame import AttackResult, training_frame
from reports.guards import cost_cells, cost_columns
from reports.overview import Overview
from reports.statistics import summarise
from reports.table1 import measured_cost, predicted_cost
from reports.tables import Column, Number, Table

NOT_ATTACKED = "not attacked"
HEAD = (Column("Task", "task", False), Column("Method", "method", False), Column("Attack", "attack", False))
OF_TRAINING = (
    Column("Clean %", "clean_percent"),
    Column("Training s", "training_seconds"),
    Column("Measured cost", "measured_fine_tuning_costs"),
    Column("Predicted cost", "predicted_fine_tuning_costs"),
    Column("Kept %", "parameters_kept_percent"),
)
STATE = Column("State", "state", False)
OF_RUNS = ("texts", "runs")


@dataclass(frozen=True)
class Run:
    """One seed of a row: its training and its attack, if there are any, and their problems."""

    seed: int
    training: TrainingRecord | None
    attack: AttackResult | None
    trouble: str

    def as_json(self) -> dict[str, Any]:
        """Seed, keys of the records, numbers; None for a number that does not count."""
        sound = self.attack if self.attack and self.attack.sound else None
        frame = training_frame([self.training] if self.training else [])
        return {
            "seed": self.seed,
            "trouble": self.trouble,
            "training": self.training.key if self.training else None,
            "attack": self.attack.record.key if self.attack else None,
            "aua_percent": _known(aua_percent(sound.outcomes) if sound else math.nan),
            "queries": _known(mean_queries(sound.outcomes) if sound else math.nan),
            "clean_percent": _known(_mean(frame.clean_percent)),
            "training_seconds": _known(_mean(frame.seconds)),
        }


@dataclass(frozen=True)
class Row:
    """A row of the results table.

    Attributes:
        task: the task's key, or the name of a file of texts.
        title: the task's title.
        method, attack: names, as in the report on attacks.
        runs: by seed.
    """

    task: str
    title: str
    method: str
    attack: str
    runs: tuple[Run, ...]

    @property
    def trainings(self) -> list[TrainingRecord]:
        """The trainings of the row."""
        return [run.training for run in self.runs if run.training]

    @property
    def known_task(self) -> Task | None:
        """The task if it is one of the suite's; a file of texts may have the same name."""
        return TASKS.get(self.task) if self.trainings else None

    @property
    def state(self) -> str:
        """The problems of its runs, or a word that there are none."""
        return "; ".join(run.trouble for run in self.runs if run.trouble) or "complete"


def rows_of(found: Overview) -> list[Row]:
    """The rows: attacks in the order of the tables, then trainings without any."""
    gathered: dict[tuple[str, str, str], list[Run]] = {}
    for each in named_attacks(found.trainings, found.results):
        gathered.setdefault((each.result.record.task, each.method, each.attack), []).append(_run(each, found.trainings))
    attacked = {result.record.training_key for result in found.results}
    idle = [record for record in found.trainings.values() if record.key not in attacked]
    idle.sort(key=lambda record: (record.task, record.defense, record.seed))
    settings = [{name: value for name, value in record.identity.items() if name != "seed"} for record in idle]
    names = told_apart([(record.task, record.title) for record in idle], settings)
    for record, name in zip(idle, names, strict=True):
        trouble = f"seed {record.seed} {'diverged' if record.status == 'diverged' else NOT_ATTACKED}"
        gathered.setdefault((record.task, name, ""), []).append(Run(record.seed, record, None, trouble))
    return [
        Row(task, TASKS[task].title if runs[0].training and task in TASKS else task, method, attack, _by_seed(runs))
        for (task, method, attack), runs in gathered.items()
    ]


def _by_seed(runs: Sequence[Run]) -> tuple[Run, ...]:
    return tuple(sorted(runs, key=lambda run: run.seed))


def _run(named: NamedAttack, trainings: Mapping[str, TrainingRecord]) -> Run:
    result = named.result
    record, trouble = result.record, ""
    if not result.complete:
        trouble = f"seed {record.seed} partial: {len(result.outcomes)} of {len(record.example_ids)} texts"
    elif not result.sound:
        trouble = f"seed {record.seed} left out: more than {BROKEN_PERCENT:g} % of its texts broke"
    return Run(record.seed, trainings.get(record.training_key), result, trouble)


def results_table(rows: Sequence[Row], found: Overview) -> Table:
    """The rows as a table: the attack report's columns, the training's columns, and the state."""
    plain = {task.task: main.trainings.values() for task in found.tasks if (main := task.main("fine_tune"))}
    attacks = found.attacks.table if found.attacks else Table("", HEAD, ())
    measured = attacks.columns[len(HEAD) :]
    known = {row[: len(HEAD)]: row[len(HEAD) :] for row in attacks.rows}
    blank = tuple(Number(math.nan) for _ in measured)
    of_answers = cost_columns(list(found.trainings.values()))
    cells = []
    for row in rows:
        own = known.get((row.title, row.method, row.attack), blank)
        training = _training_cells(row, list(plain.get(row.task, ())), of_answers)
        cells.append((row.title, row.method, row.attack or NOT_ATTACKED, *own, *training, row.state))
    columns = (*HEAD, *measured, *OF_TRAINING, *of_answers, STATE)
    table = Table("Results", columns, tuple(cells), attacks.caption)
    return _moved_behind(table, OF_RUNS)


def _moved_behind(table: Table, keys: Sequence[str]) -> Table:
    """The table with some columns moved to the end."""
    order = sorted(range(len(table.columns)), key=lambda index: table.columns[index].key in keys)
    rows = tuple(tuple(row[index] for index in order) for row in table.rows)
    return replace(table, columns=tuple(table.columns[index] for index in order), rows=rows)


def _training_cells(row: Row, plain: Sequence[TrainingRecord], of_answers: Sequence[Column]) -> tuple[Number, ...]:
    """Clean% on all test texts, seconds, cost against fine-tuning, parameters kept, and cost of an answer, over the
    runs of a row."""
    own = row.trainings
    if not own:
        return tuple(Number(math.nan) for _ in (*OF_TRAINING, *of_answers))
    frame = training_frame(own)
    return (
        _number(frame.clean_percent),
        _number(frame.seconds),
        measured_cost(plain, row.task, own),
        Number(predicted_cost(own[0]), digits=2),
        _number(frame.kept_percent),
        *cost_cells(of_answers, own[0]),
    )


def _number(values: Sequence[float]) -> Number:
    summary = summarise(list(values))
    return Number(summary.mean, summary.std)


def _mean(values: Sequence[float]) -> float:
    return summarise(list(values)).mean


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def records_of(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """The content of each record behind the rows, by key: names as shown, values plain."""
    found: dict[str, dict[str, Any]] = {}
    for run in (run for row in rows for run in row.runs):
        if run.training:
            found[run.training.key] = _training(run.training)
        if run.attack:
            found[run.attack.record.key] = _attack(run.attack.record)
    return found


def _training(record: TrainingRecord) -> dict[str, Any]:
    shown = {
        "Record": f"trainings/{record.key}",
        "Status": record.status,
        "Error": record.error,
        "Started at": record.started_at,
        "Clock": record.clock,
        "Seconds": {name: value for name, value in record.seconds.items() if name != "spans"},
        "Time does not count": record.invalid,
        "Flags": record.flags,
        "Parameters": f"{record.parameters_kept} of {record.parameters_before} kept",
        "Peak memory, bytes": record.peak_memory_bytes,
        "Weights, SHA-256": record.weights_sha256,
        "Machine": record.machine,
        "Versions": record.versions,
        "Identity, hashed to the record's name": record.identity,
    }
    return {name: value for name, value in shown.items() if value not in (None, [])}


def _attack(record: AttackRecord) -> dict[str, Any]:
    return {
        "Record": f"attacks/{record.key}",
        "Started at": record.started_at,
        "Profile": record.profile,
        "Recipe, SHA-256": content_key({"recipe": record.identity.get("recipe")}),
        "Engine": record.engine,
        "Seconds, off the training clock": record.seconds,
        "Texts": len(record.example_ids),
        "Machine": record.machine,
        "Versions": record.versions,
        "Identity, hashed to the record's name": record.identity,
    }
