"""Victims from outside on the suite's own tasks: read, attacked and calibrated like trained models, never trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from baselines.refusal import UserError, require
from benchmarks.attacks.engine import ENGINE
from benchmarks.attacks.recipes import Recipe
from benchmarks.jobs.attack import ATTACK_SEED, attack_victim
from benchmarks.jobs.resolve import SCHEMA, Setup
from benchmarks.results.records import AttackRecord, EvaluationRecord
from benchmarks.results.store import content_key
from benchmarks.victims.calibration import fit_temperature, negative_log_likelihood
from benchmarks.victims.external import CallableVictim, load_callable
from benchmarks.victims.saved import load_any_classifier
from benchmarks.victims.victim import Victim


@dataclass(frozen=True)
class External:
    """A victim from outside.

    Attributes:
        name: what its rows are called.
        victim: what it is, as a record keeps it.
        hash: SHA-256 of what identifies it: its weights, or its file and function.
        open: the victim on C classes, with a longest input in tokens and a temperature.
    """

    name: str
    victim: dict[str, Any]
    hash: str
    open: Callable[[int, int, float], Victim | CallableVictim]

    @property
    def title(self) -> str:
        """Its name in tables."""
        return f"external: {self.name}"


def find_external(
    model: str | None, function: str | None, name: str | None, *, device: str, offline: bool = False
) -> External:
    """The victim a user names.

    Args:
        model: folder or hub id of a finished classifier. function: FILE.py:FUNCTION. One of the two is given.
        name: what to call it; the folder's or function's own name when left out.
    Raises:
        ValueError: for neither or both, and for what cannot be loaded.
    """
    given = [option for option, value in (("--model", model), ("--callable", function)) if value is not None]
    require(len(given) == 1, "the victim", "given by one of --model and --callable", " and ".join(given) or "neither")
    require(name is None or name.strip() != "", "--name", "a name, or left out", name)
    if function is not None:
        called, about = load_callable(function)
        told = {field: about[field] for field in ("sha256", "function")}
        return External(
            name or about["function"],
            {"callable": about},
            content_key(told),
            lambda classes, longest, temperature: CallableVictim(called, function, classes, temperature),
        )
    assert model is not None
    network, tokenizer, identity = load_any_classifier(model, offline=offline)
    network = network.to(device)

    def open_model(classes: int, longest: int, temperature: float) -> Victim:
        found = network.config.num_labels  # type: ignore[union-attr]
        require(found == classes, f"the model {model}", f"a classifier into the task's {classes} classes", found)
        can_read = getattr(network.config, "max_position_embeddings", longest)
        longest = min(longest, can_read, tokenizer.model_max_length)
        return Victim(network, tokenizer, max_length=longest, device=device, temperature=temperature)

    return External(name or Path(model).name, {"model": identity}, content_key(identity), open_model)


def evaluation_identity(setup: Setup, external: External, task: str) -> dict[str, Any]:
    """All that decides what the victim, as it came, answers on a task; its hash is the evaluation's key."""
    return {
        "schema": SCHEMA,
        "task": task,
        "data": setup.tasks[task].dataset.fingerprint,
        "external": external.name,
        "model": external.hash,
        "max_length": setup.tasks[task].max_length,
        "temperature": 1,
    }


def evaluate(setup: Setup, external: External, task: str, *, calibrate: bool) -> list[EvaluationRecord]:
    """Reads the test texts of a task and stores the evaluation; where asked, a second one on calibrated confidence.

    The temperature is fitted to the test texts that are not attacked, whose classes it does not change. What is stored
    is not read again.

    Raises:
        ValueError: where the victim does not answer as one, or every test text is attacked and none is left to fit to.
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
    victim = external.open(len(chosen.dataset.label_names), chosen.max_length, 1.0)
    if isinstance(victim, CallableVictim):
        victim.require_repeatable(texts[:8])
    probabilities = victim(texts)
    clean = "".join("1" if right else "0" for right in probabilities.argmax(axis=1) == labels)
    records = [stored[0] or _put(setup, external, plain, clean, None)]
    if calibrate:
        logits = np.log(np.maximum(probabilities[held_out], np.finfo(np.float32).tiny))
        temperature = fit_temperature(logits, labels[held_out])
        before, after = (negative_log_likelihood(logits, labels[held_out], each) for each in (1.0, temperature))
        about = {"texts": len(held_out), "nats_before": before, "nats_after": after}
        records.append(_put(setup, external, plain | fitted_to | {"temperature": temperature}, clean, about))
    return records


def _warmth(record: EvaluationRecord) -> dict[str, float]:
    return {"temperature": record.temperature}


def _put(
    setup: Setup, external: External, identity: dict[str, Any], clean: str, calibration: dict[str, Any] | None
) -> EvaluationRecord:
    record = EvaluationRecord(
        key=content_key(identity),
        identity=identity,
        task=identity["task"],
        title=external.title if calibration is None else f"{external.title}, calibrated",
        victim=external.victim,
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
    victim = {name: record.identity[name] for name in ("model", "max_length", "temperature")}
    return identity | {"evaluation": record.key} | victim


def attack_external(
    setup: Setup,
    external: External,
    record: EvaluationRecord,
    recipe: Recipe,
    on_outcome: Callable[[], None] = lambda: None,
) -> AttackRecord:
    """Attacks the texts that every trained model of the task meets; goes on where it was stopped.

    Raises:
        ValueError: where another process is at the same attack.
    """
    identity = external_attack_identity(setup, record, recipe)
    key = content_key(identity)
    with setup.store.locked("attacks", key):
        stored = setup.store.attack(key)
        if stored is not None:
            return stored
        task = setup.tasks[record.task]
        victim = external.open(len(task.dataset.label_names), task.max_length, record.temperature)
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
        footing = {"data": task.dataset.fingerprint, "max_length": task.max_length}
        if any(record.identity[name] != value for name, value in footing.items()):
            continue
        keys = [content_key(external_attack_identity(setup, record, recipe)) for recipe in setup.recipes]
        attacks = [setup.store.attack(key) for key in keys]
        if all(attacks):
            yield record, [attack for attack in attacks if attack is not None]
