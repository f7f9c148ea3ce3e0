"""Works through a plan: trains what is not trained, attacks what is not attacked."""

from __future__ import annotations

from benchmarks.results.records import TrainingRecord
from benchmarks.runs.plan import Plan
from benchmarks.runs.progress import Reporter
from benchmarks.runs.runner import attack_model, stored_attacks, train
from benchmarks.runs.setup import Setup


def execute(setup: Setup, plan: Plan, reporter: Reporter) -> list[TrainingRecord]:
    """Finishes every cell and returns the trainings in the plan's order; what is stored is not redone."""
    trained = []
    for number, planned in enumerate(plan.cells, start=1):
        cell = planned.cell
        label = f"[{number}/{len(plan.cells)}] {cell.task} {cell.defense.title} seed {cell.seed}"
        record = planned.trained
        if record is None:
            with reporter.work(f"{label}: training", None) as bar:
                record = train(setup, cell, on_update=lambda stage, progress, bar=bar: bar.advance())
            reporter.say(f"{label}: {_training_line(record)}")
        trained.append(record)
        if record.status == "finished":
            _attack(setup, record, label, reporter)
    return trained


def _training_line(record: TrainingRecord) -> str:
    if record.status == "diverged":
        return f"diverged: {record.error}"
    clean = 100 * record.clean_correct.count("1") / len(record.clean_correct)
    return f"trained in {record.seconds['gpu']:.1f} s ({record.clock} clock), Clean {clean:.1f} %"


def _attack(setup: Setup, record: TrainingRecord, label: str, reporter: Reporter) -> None:
    for recipe, attacked in stored_attacks(setup, record):
        if attacked is not None:
            continue
        total = len(setup.tasks[record.task].attacked)
        with reporter.work(f"{label}: {recipe.title}", total) as bar:
            done = attack_model(setup, record, recipe, on_outcome=bar.advance)
        reporter.say(f"{label}: {recipe.title} in {done.seconds:.1f} s")
