"""Attack the models of trainings: store each outcome at once, then a record."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Any, Protocol

from baselines.threads import cpu_threads
from baselines.validation import MachineError
from benchmarks.attacks.engine import ENGINE, attack_all
from benchmarks.jobs.context import ATTACK_SEED, Context
from benchmarks.jobs.job import AttackJob
from benchmarks.jobs.stored_models import load_trained
from benchmarks.results.records import AttackRecord
from benchmarks.victims.external import CallableVictim
from benchmarks.victims.victim import Victim, products_of


class OnProgress(Protocol):
    """Called while a job is done."""

    def __call__(self, amount: int = 1, *, queries: int = 0) -> None:
        """Report that so many more updates or texts are done, and so many more queries, also within a text."""


def silent(amount: int = 1, *, queries: int = 0) -> None:
    """Report nothing."""


def attack(context: Context, job: AttackJob, on_progress: OnProgress = silent) -> AttackRecord:
    """Attack a trained model and store the record; outcomes that are stored already are not redone.

    Outcomes of other weights, from before the training was repeated, are first moved away.

    Raises:
        UserError: if another process is running the same attack.
        MachineError: if the training did not finish, or the model's weights are not the trained ones, which are then
            moved away.
    """
    training, home = context.store.training(job.training), job.home(context.store)
    assert training is not None, "an attack comes after its training"
    if training.status != "finished":
        raise MachineError(f"{job.label}: no model to attack, since its training {training.status}: {training.error}")
    with home.locked("attacks", job.key):
        home.hold_to(job.key, training.weights_sha256)
        if (stored := home.attack(job.key)) is not None:
            return stored
        model = load_trained(context.store, training)
        return attack_victim(context, context.victim(job.task, model, job.protocol), job, on_progress)


def attack_victim(
    context: Context, victim: Victim | CallableVictim, job: AttackJob, on_progress: OnProgress
) -> AttackRecord:
    """Attack the texts that have no outcome yet, store each outcome as it comes, and then the record.

    The attack uses one CPU thread: with more, matrix products are split by rows, and rounding would decide between
    equal candidates.
    """
    home, task = job.home(context.store), context.tasks[job.task]
    started, clock = datetime.now(timezone.utc), time.perf_counter()
    examples = task.examples(job.remaining(context.store))
    how: dict[str, Any] = {"seed": ATTACK_SEED, "columns": task.dataset.columns}
    how["on_queries"] = lambda queries: on_progress(0, queries=queries)
    with cpu_threads(1):
        for outcome in attack_all(victim, examples, job.recipe, task.resources, **how):
            home.append_outcome(job.key, outcome)
            on_progress()
    if (stored := home.attack(job.key)) is not None:  # it had lost outcomes, which are back
        return stored
    record = AttackRecord(
        key=job.key,
        identity=job.identity,
        training_key=job.training,
        task=job.task,
        defense=job.defense,
        seed=job.seed,
        recipe=job.recipe.key,
        recipe_title=job.recipe.title,
        profile=task.resources.describe(job.recipe),
        example_ids=list(job.example_ids),
        seconds=time.perf_counter() - clock,
        engine=ENGINE,
        machine=context.machine | products_of(victim),
        versions=context.versions,
        started_at=started.isoformat(timespec="seconds"),
    )
    home.put_attack(record)
    return record
