"""Attacks the models of trainings: outcomes in the store as they come, then a record."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from typing import Any

import torch

from baselines.needs import AdversarialTexts
from baselines.threads import cpu_threads
from benchmarks.attacks.engine import ENGINE, attack_all
from benchmarks.attacks.recipes import Recipe
from benchmarks.data.examples import Example
from benchmarks.experiments.experiment import Cell
from benchmarks.jobs.adversarial_texts import drawn_texts, training_recipe
from benchmarks.jobs.resolve import Setup, TaskSetup
from benchmarks.jobs.stored_models import load_trained
from benchmarks.results.records import AttackRecord, Outcome, TrainingRecord
from benchmarks.results.store import Store, content_key
from benchmarks.victims.external import CallableVictim
from benchmarks.victims.victim import Victim

ATTACK_SEED = 42


def attack_key(setup: Setup, task: str, trained_key: str, recipe: Recipe) -> str:
    """The name of an attack's record in the store."""
    return content_key(setup.attack_identity(trained_key, task, recipe, ATTACK_SEED, ENGINE))


def attack_model(
    setup: Setup, training: TrainingRecord, recipe: Recipe, on_outcome: Callable[[], None] | None = None
) -> AttackRecord:
    """Attack a stored model; every outcome is stored as it comes, and those stored already are not redone.

    Outcomes of other weights, from before the training was redone, are moved away first.

    Raises:
        ValueError: if another process is at the same attack.
        RuntimeError: if the model's weights are not those that were trained; they are moved away.
    """
    key = attack_key(setup, training.task, training.key, recipe)
    with setup.store.locked("attacks", key):
        setup.store.hold_to(key, training.weights_sha256)
        return setup.store.attack(key) or _attack(setup, training, recipe, key, on_outcome)


def _attack(
    setup: Setup, training: TrainingRecord, recipe: Recipe, key: str, on_outcome: Callable[[], None] | None
) -> AttackRecord:
    task = setup.tasks[training.task]
    model = load_trained(setup.store, training).to(setup.device)
    victim = Victim(model, setup.tokenizer, max_length=task.attack_length or task.max_length, device=setup.device)
    return attack_victim(
        setup,
        victim,
        recipe,
        key,
        on_outcome,
        identity=setup.attack_identity(training.key, training.task, recipe, ATTACK_SEED, ENGINE),
        training_key=training.key,
        task=training.task,
        defense=training.defense,
        seed=training.seed,
    )


def attack_victim(
    setup: Setup,
    victim: Victim | CallableVictim,
    recipe: Recipe,
    key: str,
    on_outcome: Callable[[], None] | None,
    *,
    task: str,
    **named: Any,
) -> AttackRecord:
    """Attack the task's texts that have no outcome yet, store each outcome as it comes, and then the record.

    Args:
        key: the attack's name in the store.
        named: what the record says of the victim: identity, training_key, defense and seed.
    """
    chosen = setup.tasks[task]
    started, clock = datetime.now(timezone.utc), time.perf_counter()
    _attack_each(setup.store, key, remaining(setup.store, key, chosen.attacked), victim, recipe, chosen, on_outcome)
    if (stored := setup.store.attack(key)) is not None:  # it had lost outcomes, which are back
        return stored
    record = AttackRecord(
        key=key,
        task=task,
        recipe=recipe.key,
        recipe_title=recipe.title,
        profile=chosen.resources.describe(),
        example_ids=[example.id for example in chosen.attacked],
        seconds=time.perf_counter() - clock,
        engine=ENGINE,
        machine=setup.machine,
        versions=setup.versions,
        started_at=started.isoformat(timespec="seconds"),
        **named,
    )
    setup.store.put_attack(record)
    return record


def attack_training_texts(setup: Setup, cell: Cell, wanted: AdversarialTexts, base: TrainingRecord) -> list[Outcome]:
    """Attack the training texts that a defense's adversarial texts are made from; what is stored stays.

    Args:
        wanted: which texts, and how.
        base: the training whose model is attacked.
    Raises:
        ValueError: if another process is at the same attack.
        RuntimeError: if the model's weights are not those that were trained; they are moved away.
    """
    task, recipe = setup.tasks[cell.task], training_recipe(wanted)
    store = setup.store.of_training_texts()
    key = content_key(setup.adversarial_identity(cell, wanted))
    with store.locked("attacks", key):
        store.hold_to(key, base.weights_sha256)
        left = remaining(store, key, drawn_texts(task.dataset.train, wanted, cell.seed))
        if left:
            victim = victim_of(setup, task, load_trained(setup.store, base).to(setup.device))
            _attack_each(store, key, left, victim, recipe, task)
        return store.outcomes(key)


def _attack_each(
    store: Store,
    key: str,
    examples: Sequence[Example],
    victim: Victim | CallableVictim,
    recipe: Recipe,
    task: TaskSetup,
    on_outcome: Callable[[], None] | None = None,
) -> None:
    """Attack texts of a task on one CPU thread and store each outcome as it comes.

    On more, matrix products are split according to their rows, and candidates that tie would be told apart by rounding.
    """
    columns = task.dataset.columns
    with cpu_threads(1):
        for outcome in attack_all(victim, examples, recipe, task.resources, seed=ATTACK_SEED, columns=columns):
            store.append_outcome(key, outcome)
            if on_outcome is not None:
                on_outcome()


def remaining(store: Store, key: str, examples: Sequence[Example]) -> list[Example]:
    """Those of the texts without a stored outcome."""
    done = {outcome.example_id for outcome in store.outcomes(key)}
    return [example for example in examples if example.id not in done]


def victim_of(setup: Setup, task: TaskSetup, model: torch.nn.Module) -> Victim:
    """The model as attacks and evaluation see it: texts in, probabilities out."""
    return Victim(model, setup.tokenizer, max_length=task.max_length, device=setup.device)


def stored_attacks(setup: Setup, training: TrainingRecord) -> Iterator[tuple[Recipe, AttackRecord | None]]:
    """Each recipe with the record of its attack on this model, or None; one on other weights does not count."""
    for recipe in setup.recipes:
        key = attack_key(setup, training.task, training.key, recipe)
        is_of_these = setup.store.victim(key) in (None, training.weights_sha256)
        yield recipe, setup.store.attack(key) if is_of_these else None
