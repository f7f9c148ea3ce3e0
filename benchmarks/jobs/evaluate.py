"""Victims from outside on the suite's own tasks: read, attacked and calibrated like trained models, never trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from baselines.threads import cpu_threads
from baselines.validation import UserError, require
from benchmarks.attacks.engine import ENGINE
from benchmarks.attacks.recipes import Recipe
from benchmarks.data.classes import Classes
from benchmarks.data.examples import Dataset
from benchmarks.jobs.attack import ATTACK_SEED, attack_victim
from benchmarks.jobs.resolve import SCHEMA, Setup, TaskSetup
from benchmarks.results.records import AttackRecord, EvaluationRecord
from benchmarks.results.store import content_key
from benchmarks.victims.calibration import fit_temperature, negative_log_likelihood
from benchmarks.victims.external import MOST_RETRIES, PROBED, CallableVictim, load_callable
from benchmarks.victims.inspection import check_inputs, longest_input, probes
from benchmarks.victims.saved import load_any_classifier
from benchmarks.victims.victim import Victim

RETRIES = 3


@dataclass(frozen=True)
class External:
    """A victim from outside.

    Attributes:
        name: what its rows are called.
        victim: what it is, as a record keeps it.
        hash: SHA-256 of what identifies it: its weights, or its file and function.
        open: the victim with answers in C classes, a longest input in tokens and a temperature; of a model, the first
            is which of its classes each class of the task is.
        classes: a model's classes; None where columns are in the task's order by agreement.
    """

    name: str
    victim: dict[str, Any]
    hash: str
    open: Callable[[Sequence[int], int, float], Victim | CallableVictim]
    classes: Classes | None = None

    @property
    def title(self) -> str:
        """Its name in tables."""
        return f"external: {self.name}"

    def order_for(self, dataset: Dataset, written: Sequence[str]) -> tuple[tuple[int, ...], str | None]:
        """Which of the victim's classes each class of a task is, and a sentence where that was decided by position.

        Args:
            written: how the task's files write its classes.
        Raises:
            ValueError: if a model's classes are not those of the task.
        """
        if self.classes is None:
            return tuple(range(len(dataset.label_names))), None
        return self.classes.order_for(dataset.task, dataset.label_names, written)


def find_external(
    model: str | None,
    function: str | None,
    name: str | None,
    *,
    device: str,
    offline: bool = False,
    retries: int | None = None,
) -> External:
    """The victim a user names.

    Args:
        model: folder or hub id of a finished classifier. function: FILE.py:FUNCTION. One of the two is given.
        name: what to call it; the folder's or function's own name when left out.
        retries: how often a function is asked again after an exception; 3 times when left out.
    Raises:
        ValueError: for neither or both, and for what cannot be loaded.
    """
    given = [option for option, value in (("--model", model), ("--callable", function)) if value is not None]
    require(len(given) == 1, "the victim", "given by one of --model and --callable", " and ".join(given) or "neither")
    require(name is None or name.strip() != "", "--name", "a name, or left out", name)
    if function is not None:
        again = RETRIES if retries is None else retries
        require(0 <= again <= MOST_RETRIES, "--retries", f"0 to {MOST_RETRIES}", again)
        called, about = load_callable(function)
        told = {field: about[field] for field in ("sha256", "function")}
        return External(
            name or about["function"],
            {"callable": about},
            content_key(told),
            lambda order, longest, temperature: CallableVictim(called, function, len(order), temperature, again),
        )
    assert model is not None
    require(retries is None, "--retries", "left out beside --model, which is not asked again", retries)
    classifier = load_any_classifier(model, offline=offline)
    network, tokenizer = classifier.model.to(device), classifier.tokenizer

    def open_model(order: Sequence[int], longest: int, temperature: float) -> Victim:
        longest = longest_input(network.config, tokenizer, longest)
        check_inputs(model, network.config, tokenizer, longest, 1)
        return Victim(network, tokenizer, max_length=longest, device=device, temperature=temperature, order=order)

    identity = classifier.identity
    return External(
        name or Path(model).name, {"model": identity}, content_key(identity), open_model, classifier.classes
    )


def evaluation_identity(setup: Setup, external: External, task: str) -> dict[str, Any]:
    """All that decides what the victim, as it came, answers on a task; its hash is the evaluation's key."""
    order, _ = external.order_for(setup.tasks[task].dataset, setup.tasks[task].task.label_values)
    reordered = {} if list(order) == sorted(order) else {"class_order": list(order)}
    return reordered | {
        "schema": SCHEMA,
        "task": task,
        "data": setup.tasks[task].dataset.fingerprint,
        "external": external.name,
        "model": external.hash,
        "max_length": setup.tasks[task].max_length,
        "temperature": 1,
    }


def evaluate(setup: Setup, external: External, task: str, *, calibrate: bool) -> list[EvaluationRecord]:
    """Read the test texts of a task and store the evaluation; where asked, a second one on calibrated confidence.

    The temperature is fitted to the test texts that are not attacked, whose classes it does not change. What is stored
    is not read again.

    Raises:
        ValueError: if the victim does not answer as one, or every test text is attacked and none is left to fit to.
    """
    chosen = setup.tasks[task]
    attacked = {example.id for example in chosen.attacked}
    held_out = [place for place, example in enumerate(chosen.dataset.test) if example.id not in attacked]
    if calibrate and not held_out:
        raise UserError(
            f"every one of the {len(attacked)} test texts of {task} is attacked, and none is left to calibrate on; "
            f"give a smaller --attacked or --no-calibrate"
        )
    plain = evaluation_identity(setup, external, task)
    fitted_to = {"calibrated_on": content_key({"ids": [chosen.dataset.test[place].id for place in held_out]})}
    stored = [setup.store.evaluation(content_key(plain))]
    if calibrate:
        stored += [each for each in setup.store.evaluations() if each.identity == plain | fitted_to | _warmth(each)]
    if all(stored) and len(stored) == 1 + calibrate:
        return [record for record in stored if record is not None]

    texts = [example.texts for example in chosen.dataset.test]
    labels = np.array([example.label for example in chosen.dataset.test])
    victim, notes = _opened(external, chosen, 1.0)
    if isinstance(victim, CallableVictim):
        victim.require_repeatable(texts[:PROBED])
    with cpu_threads(1):  # on more, the last bits of the answers, and so of the temperature, depend on their number
        probabilities = victim(texts)
    clean = "".join("1" if right else "0" for right in probabilities.argmax(axis=1) == labels)
    about_victim = external.victim | ({"notes": notes} if notes else {})
    records = [stored[0] or _put(setup, external, about_victim, plain, clean, None)]
    if calibrate:
        logits = np.log(np.maximum(probabilities[held_out], np.finfo(np.float32).tiny))
        temperature = fit_temperature(logits, labels[held_out])
        before, after = (negative_log_likelihood(logits, labels[held_out], each) for each in (1.0, temperature))
        about = {"texts": len(held_out), "nats_before": before, "nats_after": after}
        records.append(
            _put(setup, external, about_victim, plain | fitted_to | {"temperature": temperature}, clean, about)
        )
    return records


def _opened(external: External, task: TaskSetup, temperature: float) -> tuple[Victim | CallableVictim, list[str]]:
    """The victim ready for a task's texts, a model after a look at it, and sentences for captions.

    Raises:
        UserError: where a model's classes are not the task's, or it does not answer.
    """
    order, by_position = external.order_for(task.dataset, task.task.label_values)
    victim = external.open(order, task.max_length, temperature)
    notes = [] if by_position is None else [by_position]
    if isinstance(victim, Victim):
        if victim.max_length < task.max_length:
            notes.append(
                f"It reads {victim.max_length} tokens of a text, fewer than the {task.max_length} of the task."
            )
        notes += victim.check(probes([example.texts for example in task.dataset.test]))
    return victim, notes


def _warmth(record: EvaluationRecord) -> dict[str, float]:
    return {"temperature": record.temperature}


def _put(
    setup: Setup,
    external: External,
    victim: dict[str, Any],
    identity: dict[str, Any],
    clean: str,
    calibration: dict[str, Any] | None,
) -> EvaluationRecord:
    record = EvaluationRecord(
        key=content_key(identity),
        identity=identity,
        task=identity["task"],
        title=external.title if calibration is None else f"{external.title}, calibrated",
        victim=victim,
        temperature=identity["temperature"],
        calibration=calibration,
        clean_correct=clean,
        machine=setup.machine,
        versions=setup.versions,
        started_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )
    with setup.store.locked("evaluations", record.key):
        if setup.store.evaluation(record.key) is None:
            setup.store.put_evaluation(record)
    return record


def external_attack_identity(setup: Setup, record: EvaluationRecord, recipe: Recipe) -> dict[str, Any]:
    """All that decides the outcomes of a recipe on an evaluated victim; its hash is the attack's key."""
    identity = setup.attack_identity(record.key, record.task, recipe, ATTACK_SEED, ENGINE)
    del identity["training"]
    of_victim = ("model", "max_length", "temperature", "class_order")
    victim = {name: record.identity[name] for name in of_victim if name in record.identity}
    return identity | {"evaluation": record.key} | victim


def attack_external(
    setup: Setup,
    external: External,
    record: EvaluationRecord,
    recipe: Recipe,
    on_outcome: Callable[[], None] = lambda: None,
) -> AttackRecord:
    """Attack the texts that every trained model of the task meets; goes on where it was stopped.

    Raises:
        ValueError: if another process is at the same attack.
    """
    identity = external_attack_identity(setup, record, recipe)
    key = content_key(identity)
    with setup.store.locked("attacks", key):
        stored = setup.store.attack(key)
        if stored is not None:
            return stored
        task = setup.tasks[record.task]
        victim, _ = _opened(external, task, record.temperature)
        return attack_victim(
            setup,
            victim,
            recipe,
            key,
            on_outcome,
            identity=identity,
            training_key=record.key,
            task=record.task,
            defense=record.title,
            seed=ATTACK_SEED,
        )


def stored_externals(setup: Setup) -> Iterator[tuple[EvaluationRecord, list[AttackRecord]]]:
    """Every evaluated victim of the run's tasks and data that met all of its attacks, with these; as they came."""
    for record in sorted(setup.store.evaluations(), key=lambda each: (each.title, each.temperature)):
        task = setup.tasks.get(record.task)
        if task is None:
            continue
        conditions = {"data": task.dataset.fingerprint, "max_length": task.max_length}
        if any(record.identity[name] != value for name, value in conditions.items()):
            continue
        keys = [content_key(external_attack_identity(setup, record, recipe)) for recipe in setup.recipes]
        attacks = [setup.store.attack(key) for key in keys]
        if all(attacks):
            yield record, [attack for attack in attacks if attack is not None]
