"""Attack the models of trainings: store each outcome at once, then a record."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Any, Protocol

import torch

from baselines.threads import cpu_threads
from benchmarks.attacks.engine import ENGINE, attack_all
from benchmarks.jobs.context import ATTACK_SEED, Context
from benchmarks.jobs.job import AttackJob
from benchmarks.jobs.stored_models import load_trained
from benchmarks.results.records import AttackRecord, Outcome, TrainingRecord
from benchmarks.results.store import Store
from benchmarks.victims.external import CallableVictim
from benchmarks.victims.victim import Victim


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
        ValueError: if another process is running the same attack.
        RuntimeError: if the model's weights are not the trained ones; they are moved away.
    """
    store, training = context.store, _trained(context.store, job.training)
    with store.locked("attacks", job.key):
        store.hold_to(job.key, training.weights_sha256)
        return store.attack(job.key) or attack_victim(context, _victim(context, job, training), job, on_progress)


def attack_victim(
    context: Context, victim: Victim | CallableVictim, job: AttackJob, on_progress: OnProgress
) -> AttackRecord:
    """Attack the texts that have no outcome yet, store each outcome as it comes, and then the record."""
    started, clock = datetime.now(timezone.utc), time.perf_counter()
    _attack_each(context, context.store, victim, job, on_progress)
    if (stored := context.store.attack(job.key)) is not None:  # it had lost outcomes, which are back
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
        profile=context.tasks[job.task].resources.describe(),
        example_ids=list(job.example_ids),
        seconds=time.perf_counter() - clock,
        engine=ENGINE,
        machine=context.machine,
        versions=context.versions,
        started_at=started.isoformat(timespec="seconds"),
    )
    context.store.put_attack(record)
    return record


def attack_training_texts(context: Context, job: AttackJob) -> list[Outcome]:
    """Attack the training texts that a defense's adversarial texts are made from; what is stored stays.

    Raises:
        ValueError: if another process is running the same attack.
        RuntimeError: if the model's weights are not the trained ones; they are moved away.
    """
    store, base = context.store.of_training_texts(), _trained(context.store, job.training)
    with store.locked("attacks", job.key):
        store.hold_to(job.key, base.weights_sha256)
        if remaining(store, job):
            _attack_each(context, store, _victim(context, job, base), job)
        return store.outcomes(job.key)


def _trained(store: Store, key: str) -> TrainingRecord:
    record = store.training(key)
    assert record is not None, "an attack comes after its training"
    return record


def _victim(context: Context, job: AttackJob, training: TrainingRecord) -> Victim:
    return victim_of(context, job.task, load_trained(context.store, training), job.protocol.max_length)


def victim_of(context: Context, task: str, model: torch.nn.Module, max_length: int | None = None) -> Victim:
    """The model as attacks and evaluation see it: texts in, probabilities out; read as far as in training."""
    longest = max_length or context.tasks[task].max_length
    return Victim(model.to(context.device), context.tokenizer, max_length=longest, device=context.device)


def _attack_each(
    context: Context,
    store: Store,
    victim: Victim | CallableVictim,
    job: AttackJob,
    on_progress: OnProgress = silent,
) -> None:
    """Attack texts on one CPU thread.

    With more threads, matrix products are split by rows, and rounding would decide between equal candidates.
    """
    task = context.tasks[job.task]
    examples, columns = task.examples(remaining(store, job)), task.dataset.columns
    with cpu_threads(1):
        how: dict[str, Any] = {"seed": ATTACK_SEED, "columns": columns}
        how["on_queries"] = lambda queries: on_progress(0, queries=queries)
        for outcome in attack_all(victim, examples, job.recipe, task.resources, **how):
            store.append_outcome(job.key, outcome)
            on_progress()


def remaining(store: Store, job: AttackJob) -> list[str]:
    """Ids of the texts without a stored outcome."""
    done = {outcome.example_id for outcome in store.outcomes(job.key)}
    return [each for each in job.example_ids if each not in done]
