"""Works through a plan: trains what is not trained, each in a process of its own and one at a time, then attacks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.attacks.recipes import Recipe, find_recipe
from benchmarks.clock.machine import usable_cores
from benchmarks.results.records import TrainingRecord
from benchmarks.runs.defenses import build, source_of
from benchmarks.runs.experiments import Cell, Experiment, Terms
from benchmarks.runs.fresh_process import call_in_fresh_process, process_context
from benchmarks.runs.interruption import end_with_parent
from benchmarks.runs.options import Options
from benchmarks.runs.plan import Plan
from benchmarks.runs.progress import Reporter
from benchmarks.runs.runner import attack_key, attack_model, stored_attacks, train
from benchmarks.runs.setup import Setup, resolve

POLL_SECONDS = 2.0


def execute(setup: Setup, plan: Plan, reporter: Reporter) -> list[TrainingRecord]:
    """Finishes every cell and returns the trainings in the plan's order; what is stored is not redone."""
    trained = []
    for number, planned in enumerate(plan.cells, start=1):
        cell = planned.cell
        label = f"[{number}/{len(plan.cells)}] {cell.task} {cell.defense.title} seed {cell.seed}"
        record = planned.trained or setup.store.training(planned.key)
        if record is None:
            with reporter.work(f"{label}: training, updates", None) as bar:
                record = call_in_fresh_process(
                    _train_alone,
                    setup.options,
                    tuple(setup.tasks),
                    setup.experiment,
                    cell.task,
                    source_of(type(cell.defense)).get("path", cell.defense.key),
                    cell.defense.settings(),
                    cell.seed,
                    on_progress=bar.advance,
                )
            reporter.say(f"{label}: {_training_line(record)}")
        trained.append(record)
    cells = [planned.cell for planned in plan.cells]
    _attack_all(setup, _missing_attacks(setup, cells, trained), reporter)
    return trained


def _train_alone(
    options: Options,
    tasks: tuple[str, ...],
    experiment: Experiment | None,
    task: str,
    defense: str,
    settings: dict[str, Any],
    seed: int,
    tell: Callable[[], None],
) -> TrainingRecord:
    """Trains one cell in a process that has done nothing else.

    Args:
        defense: its key, or the path of the file that defines it.
        settings: all its hyperparameters.
    """
    cell = Cell(task, build(defense, task, settings), seed)
    return train(resolve(options, tasks, experiment), cell, on_update=lambda stage, progress: tell())


def _training_line(record: TrainingRecord) -> str:
    if record.status != "finished":
        return f"{record.status}: {record.error}"
    clean = 100 * record.clean_correct.count("1") / len(record.clean_correct)
    return f"trained in {record.seconds['gpu']:.1f} s ({record.clock} clock), Clean {clean:.1f} %"


@dataclass(frozen=True)
class _Job:
    """An attack to run, with its place in the store."""

    training: TrainingRecord
    recipe: Recipe
    terms: Terms
    key: str
    texts: int

    def __str__(self) -> str:
        return f"{self.training.task} {self.training.title} seed {self.training.seed}: {self.recipe.title}"


def _missing_attacks(setup: Setup, cells: Sequence[Cell], trained: Sequence[TrainingRecord]) -> list[_Job]:
    """The attacks to run, each once: two cells' terms may come to the same texts."""
    jobs: dict[str, _Job] = {}
    for cell, record in zip(cells, trained, strict=True):
        if record.status != "finished":
            continue
        under = setup.under(cell.terms)
        texts = len(under.tasks[record.task].attacked)
        for recipe, stored in stored_attacks(under, record):
            if stored is None:
                key = attack_key(under, record.task, record.key, recipe)
                jobs[key] = _Job(record, recipe, cell.terms, key, texts)
    return list(jobs.values())


def _attack_all(setup: Setup, jobs: list[_Job], reporter: Reporter) -> None:
    """In worker processes, which give back what they hold when all is done: one per core, each with one thread; on a
    GPU one."""
    if not jobs:
        return
    workers = 1 if setup.device == "cuda" else min(len(jobs), usable_cores())
    known = (setup.options, tuple(setup.tasks), setup.experiment)
    with (
        reporter.work("attacks, texts", sum(job.texts for job in jobs)) as bar,
        ProcessPoolExecutor(workers, process_context(), _start_worker, known) as pool,
    ):
        running: dict[Future[float], _Job] = {
            pool.submit(_attack_in_worker, job.training.key, job.recipe.key, job.terms): job for job in jobs
        }
        shown = 0
        try:
            while running:
                finished, _ = wait(running, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
                for future in finished:
                    reporter.say(f"{running.pop(future)} in {future.result():.1f} s")
                done = sum(_lines(setup, job) for job in jobs)
                bar.advance(done - shown)
                shown = done
        except BaseException:
            for worker in [*(pool._processes or {}).values()]:
                worker.terminate()  # or the exit would wait for the attacks under way; their outcomes are stored
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _lines(setup: Setup, job: _Job) -> int:
    """Outcomes stored so far."""
    path = setup.store.outcomes_path(job.key)
    return path.read_bytes().count(b"\n") if path.exists() else 0


_worker_setup: Setup | None = None


def _start_worker(options: Options, tasks: tuple[str, ...], experiment: Experiment | None) -> None:
    """A worker resolves the run's options once and keeps what it loaded."""
    global _worker_setup
    end_with_parent()
    _worker_setup = resolve(options, tasks, experiment)
    torch.set_num_threads(1)


def _attack_in_worker(training_key: str, recipe: str, terms: Terms) -> float:
    """Runs one attack and returns its seconds; outcomes and record go to the store."""
    assert _worker_setup is not None
    training = _worker_setup.store.training(training_key)
    assert training is not None
    return attack_model(_worker_setup.under(terms), training, find_recipe(recipe)).seconds
