"""Evaluate, attack and calibrate external victims on the suite's own tasks, like trained models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from baselines.threads import cpu_threads
from baselines.validation import UserError, require
from benchmarks.attacks.recipe import Recipe
from benchmarks.data.classes import Classes
from benchmarks.data.examples import Dataset
from benchmarks.experiments.experiment import USUAL
from benchmarks.jobs.attack import OnProgress, attack_victim, silent
from benchmarks.jobs.context import ATTACK_SEED, SCHEMA, Context, LoadedTask
from benchmarks.jobs.job import AttackJob
from benchmarks.results.metrics import right_answers
from benchmarks.results.records import AttackRecord, EvaluationRecord
from benchmarks.results.store import content_key
from benchmarks.victims.calibration import fit_temperature, negative_log_likelihood
from benchmarks.victims.external import PROBED, CallableVictim, chosen_retries, load_callable
from benchmarks.victims.guarded import judge, victim_of
from benchmarks.victims.inspection import check_inputs, longest_input, probes
from benchmarks.victims.saved import load_any_classifier
from benchmarks.victims.victim import Victim


@dataclass(frozen=True)
class External:
    """An external victim.

    Attributes:
        name: its name in tables.
        victim: its description for records.
        hash: SHA-256 of its weights, or of its file and function.
        open: makes the victim, given C classes, a longest input in tokens and a temperature; for a model, the first
            argument maps each class of the task to a class of the model.
        classes: a model's classes; None for a function, whose columns must be in the task's order.
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
        """The victim's class for each class of a task; also a sentence if position decided.

        Args:
            written: how the task's files write its classes.
        Raises:
            UserError: if a model's classes are not those of the task.
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
    """The victim that a user names.

    Args:
        model: folder or hub id of a classifier. function: FILE.py:FUNCTION. Exactly one of the two is given.
        name: its name in tables; by default that of the folder or function.
        retries: how often a function is called again after an exception; default 3.
    Raises:
        UserError: if neither or both are given, or the victim cannot be loaded.
    """
    given = [option for option, value in (("--model", model), ("--callable", function)) if value is not None]
    require(len(given) == 1, "the victim", "given by one of --model and --callable", " and ".join(given) or "neither")
    require(name is None or name.strip() != "", "--name", "a name, or left out", name)
    if function is not None:
        again = chosen_retries(retries)
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
        return victim_of(network, tokenizer, max_length=longest, device=device, temperature=temperature, order=order)

    identity = classifier.identity
    return External(
        name or Path(model).name, {"model": identity}, content_key(identity), open_model, classifier.classes
    )


def evaluation_identity(context: Context, external: External, task: str) -> dict[str, Any]:
    """All that decides the answers of the uncalibrated victim on a task; its hash is the evaluation's key."""
    order, _ = external.order_for(context.tasks[task].dataset, context.tasks[task].task.label_values)
    reordered = {} if list(order) == sorted(order) else {"class_order": list(order)}
    return reordered | {
        "schema": SCHEMA,
        "task": task,
        "data": context.tasks[task].dataset.fingerprint,
        "external": external.name,
        "model": external.hash,
        "max_length": context.tasks[task].max_length,
        "temperature": 1,
    }


def evaluate(context: Context, external: External, task: str, *, calibrate: bool) -> list[EvaluationRecord]:
    """Evaluate a victim on the test texts of a task and store it; on request also with calibrated confidence.

    The temperature is fitted to the test texts that are not attacked; it does not change their classes. Stored
    evaluations are not repeated, and one that another process is making is waited for.

    Raises:
        UserError: if the victim does not answer with probabilities, or no test text is left to fit the temperature; if
            another process is making the evaluation and the store does not wait.
    """
    chosen = context.tasks[task]
    attacked = {example.id for example in chosen.attacked}
    held_out = [place for place, example in enumerate(chosen.dataset.test) if example.id not in attacked]
    if calibrate and not held_out:
        raise UserError(
            f"every one of the {len(attacked)} test texts of {task} is attacked, and none is left to calibrate on; "
            f"give a smaller --attacked or --no-calibrate"
        )
    plain = evaluation_identity(context, external, task)
    fitted_to = {"calibrated_on": content_key({"ids": [chosen.dataset.test[place].id for place in held_out]})}
    with context.store.locked("evaluations", content_key(plain)):
        return _evaluated(context, external, chosen, plain, fitted_to if calibrate else None, held_out)


def _evaluated(
    context: Context,
    external: External,
    chosen: LoadedTask,
    plain: dict[str, Any],
    fitted_to: dict[str, Any] | None,
    held_out: Sequence[int],
) -> list[EvaluationRecord]:
    """Evaluate a victim unless that is stored; no other process is at it.

    Args:
        plain: the identity of the uncalibrated evaluation.
        fitted_to: what the calibrated evaluation's identity has besides, except the temperature; None for no such
            evaluation.
        held_out: places of the test texts that the temperature is fitted to.
    """
    stored = [context.store.evaluation(content_key(plain))]
    if fitted_to is not None:
        stored += [each for each in context.store.evaluations() if each.identity == plain | fitted_to | _warmth(each)]
    if all(stored) and len(stored) == (1 if fitted_to is None else 2):
        return [record for record in stored if record is not None]

    texts = [example.texts for example in chosen.dataset.test]
    labels = np.array([example.label for example in chosen.dataset.test])
    victim, notes = opened(external, chosen, 1.0)
    if isinstance(victim, CallableVictim):
        victim.require_repeatable(texts[:PROBED])
    with cpu_threads(1):  # on more, the last bits of the answers, and so of the temperature, depend on their number
        probabilities, classes = judge(victim, texts)
    clean = right_answers(classes, labels)
    about_victim = described(external, notes)
    records = [stored[0] or stored_evaluation(context, external, about_victim, plain, clean, None)]
    if fitted_to is not None:
        logits = np.log(np.maximum(probabilities[held_out], np.finfo(np.float32).tiny))
        temperature = fit_temperature(logits, labels[held_out])
        before, after = (negative_log_likelihood(logits, labels[held_out], each) for each in (1.0, temperature))
        about = {"texts": len(held_out), "nats_before": before, "nats_after": after}
        records.append(
            stored_evaluation(
                context, external, about_victim, plain | fitted_to | {"temperature": temperature}, clean, about
            )
        )
    return records


def opened(external: External, task: LoadedTask, temperature: float) -> tuple[Victim | CallableVictim, list[str]]:
    """Open the victim for a task's texts, check a model on some, and return sentences for captions.

    Raises:
        UserError: if a model's classes are not the task's, or it does not answer.
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


def described(external: External, notes: list[str]) -> dict[str, Any]:
    """The victim for a record, with sentences for captions."""
    return external.victim | ({"notes": notes} if notes else {})


def _warmth(record: EvaluationRecord) -> dict[str, float]:
    return {"temperature": record.temperature}


def stored_evaluation(
    context: Context,
    external: External,
    victim: dict[str, Any],
    identity: dict[str, Any],
    clean: str,
    calibration: dict[str, Any] | None,
) -> EvaluationRecord:
    """Store which texts a victim reads correctly, unless that is stored already, and return the record.

    The caller holds the lock of this evaluation, or of the one that it is derived from.
    """
    record = EvaluationRecord(
        key=content_key(identity),
        identity=identity,
        task=identity["task"],
        title=external.title if calibration is None else f"{external.title}, calibrated",
        victim=victim,
        temperature=identity["temperature"],
        calibration=calibration,
        clean_correct=clean,
        machine=context.machine,
        versions=context.versions,
        started_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )
    if context.store.evaluation(record.key) is None:
        context.store.put_evaluation(record)
    return record


def external_job(context: Context, record: EvaluationRecord, recipe: Recipe) -> AttackJob:
    """The attack on an evaluated victim, on the same texts as for every trained model of the task."""
    task = context.tasks[record.task]
    of_victim = ("model", "max_length", "temperature", "class_order")
    victim = {name: record.identity[name] for name in of_victim if name in record.identity}
    return AttackJob(
        training=record.key,
        task=record.task,
        defense=record.title,
        title=record.title,
        seed=ATTACK_SEED,
        recipe=recipe,
        protocol=USUAL,
        example_ids=tuple(example.id for example in task.attacked),
        identity=task.attack_identity(recipe) | {"evaluation": record.key} | victim,
    )


def attack_external(
    context: Context,
    external: External,
    record: EvaluationRecord,
    recipe: Recipe,
    on_progress: OnProgress = silent,
) -> AttackRecord:
    """Attack an evaluated victim; an interrupted attack continues where it stopped.

    Raises:
        UserError: if another process is running the same attack.
    """
    job, task = external_job(context, record, recipe), context.tasks[record.task]
    with context.store.locked("attacks", job.key):
        stored = context.store.attack(job.key)
        if stored is not None:
            return stored
        victim, _ = opened(external, task, record.temperature)
        return attack_victim(context, victim, job, on_progress)
