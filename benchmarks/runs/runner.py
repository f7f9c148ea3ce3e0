"""Runs one cell: a training into a record and a model, an attack into outcomes and a record."""

from __future__ import annotations

import copy
import gc
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

import torch

from baselines.capture import Graphs
from baselines.defense import Defense
from baselines.memory import ran_out_of_memory
from baselines.training import Batches, Diverged, Indivisible, Precision, fit
from benchmarks.attacks.engine import ENGINE, attack_all
from benchmarks.attacks.recipes import Recipe
from benchmarks.clock.contention import company
from benchmarks.clock.flops import CountedSteps
from benchmarks.clock.machine import peak_memory_bytes
from benchmarks.clock.nvml import cuda_device, flags_before, watching
from benchmarks.clock.timing import timer_for
from benchmarks.data.batches import BucketedBatches
from benchmarks.data.digests import sha256_of
from benchmarks.data.encoding import encode
from benchmarks.data.examples import Example
from benchmarks.data.substitutes import find_substitutes, replaceable_tokens
from benchmarks.results.checkpoints import Checkpoints
from benchmarks.results.metrics import tally
from benchmarks.results.records import AttackRecord, Outcome, TrainingRecord
from benchmarks.results.store import Store, content_key
from benchmarks.runs.adversarial_texts import adversarial_examples, base_cell, drawn_texts, training_recipe
from benchmarks.runs.defenses import source_of
from benchmarks.runs.experiments import Cell
from benchmarks.runs.interruption import deferred
from benchmarks.runs.setup import Setup, TaskSetup
from benchmarks.victims.external import CallableVictim
from benchmarks.victims.saved import load_classifier, save_classifier
from benchmarks.victims.victim import Victim

ATTACK_SEED = 42
WARM_UP_UPDATES = 2
UNTIMED = "timing was not asked for: other work may have run beside it"

OnUpdate = Callable[[Any, Any], None]


def training_key(setup: Setup, cell: Cell) -> str:
    """The name of the cell's record in the store."""
    return content_key(setup.training_identity(cell))


def train(setup: Setup, cell: Cell, on_update: OnUpdate | None = None) -> TrainingRecord:
    """Trains one model, measures its Clean% on the whole test split, and stores model and record.

    A diverged run is a record too, and so is one that ran out of memory. What another process has stored meanwhile is
    returned as it is. A training that was killed goes on from its last checkpoint; its time is then the sum of its
    parts, which a flag in the record says.

    Raises:
        ValueError: where another process is at the same training.
        KeyboardInterrupt: after a checkpoint, where SIGTERM or SIGINT came.
    """
    key = training_key(setup, cell)
    batches, made_from = _batches_of(setup, cell)  # before signals are deferred: what it makes is stored as it comes
    with setup.store.locked("trainings", key), deferred() as is_interrupted:
        footing = {"machine": setup.machine, "versions": setup.versions}
        checkpoints = Checkpoints(setup.store.checkpoints_folder(key), footing, stop=is_interrupted)
        came_late = False

        def after_update(stage: Any, progress: Any) -> None:
            nonlocal came_late
            if on_update is not None:
                on_update(stage, progress)
            if checkpoints.stopping or came_late:
                raise KeyboardInterrupt
            came_late = is_interrupted()  # after the checkpoints asked: the next update leaves one, and is the last

        record = setup.store.training(key)
        if record is None:
            record = _train_within_memory(setup, cell, key, batches, made_from, after_update, checkpoints)
            setup.store.put_training(record)
        checkpoints.remove()
        return record


def _train_within_memory(
    setup: Setup,
    cell: Cell,
    key: str,
    batches: BucketedBatches,
    made_from: dict[str, Any],
    on_update: OnUpdate,
    checkpoints: Checkpoints,
) -> TrainingRecord:
    """The training, or the record of one for which the memory is too small.

    Where batches may be cut into parts, it is begun anew with parts that fit; nothing of the first attempt stays.
    """
    if checkpoints.parts > 1 and not setup.options.allow_accumulation:
        checkpoints.begin_anew(parts=1)
    while True:
        try:
            return _train(setup, cell, key, batches, made_from, on_update, checkpoints)
        except Indivisible as refusal:
            return _failed(setup, cell, key, f"ran out of memory, and {refusal}")
        except Exception as error:
            if not ran_out_of_memory(error):
                raise
            why = " ".join(str(error).split())[:200]
        fitting = _batch_that_fits(setup, cell, batches, batches.batch_size // checkpoints.parts // 2)
        if fitting is None or not setup.options.allow_accumulation:
            advice = "not even one text fits" if fitting is None else f"{fitting} fit"
            ways = "" if fitting is None else f": give --batch-size {fitting}, or --allow-accumulation"
            whole = f"ran out of memory with batches of {batches.batch_size} texts ({why}); {advice}{ways}"
            return _failed(setup, cell, key, whole)
        checkpoints.begin_anew(parts=-(-batches.batch_size // fitting))


def _batch_that_fits(setup: Setup, cell: Cell, batches: BucketedBatches, most: int) -> int | None:
    """The largest of `most` texts, a half, a quarter, ... whose longest batch the method can be trained on."""
    size = most
    while size >= max(1, len(batches.classes)):
        gc.collect()  # what the last attempt had taken
        try:
            warm_up(cell.defense, _new_model(setup, cell), batches.of_longest(size), setup.precision)
            return size
        except Exception as error:
            if not ran_out_of_memory(error):
                raise
        size //= 2
    return None


def _new_model(setup: Setup, cell: Cell) -> torch.nn.Module:
    labels = setup.tasks[cell.task].dataset.label_names
    return setup.backbone.new_classifier(len(labels), cell.seed).to(setup.device)


def _train(
    setup: Setup,
    cell: Cell,
    key: str,
    batches: Batches,
    made_from: dict[str, Any],
    on_update: OnUpdate,
    checkpoints: Checkpoints,
) -> TrainingRecord:
    task = setup.tasks[cell.task]
    started = datetime.now(timezone.utc).isoformat(timespec="seconds")
    on_gpu = setup.device == "cuda"
    open_device, own_bytes = (cuda_device(), torch.cuda.max_memory_reserved) if on_gpu else (None, lambda: 0)
    not_idle = flags_before(open_device, own_process=os.getpid())
    model = _new_model(setup, cell)
    before = _parameters(model)
    counted = CountedSteps(cell.defense)
    warm_up(counted, model, batches, setup.precision, graphs=setup.graphs(), parts=checkpoints.parts)
    timer = timer_for(setup.device)
    torch.manual_seed(cell.seed)
    logs, error = [], None
    with watching(open_device, own_bytes) as watcher, company() as beside:
        try:
            logs = fit(
                cell.defense,
                model,
                batches,
                timer=timer,
                precision=setup.precision,
                on_update=on_update,
                keeper=checkpoints,
                graphs=setup.graphs(),
                parts=checkpoints.parts,
            )
        except Diverged as divergence:
            error = str(divergence)
        readings = timer.readings()
    watch, peak_memory = watcher.result, peak_memory_bytes(setup.device)
    clean, weights_hash = "", None
    if error is None:
        clean = _clean_correct(victim_of(setup, task, model), task.dataset.test)
        _name_classes(model.config, task.dataset.label_names)
        weights_hash = save_classifier(model, setup.store.model_folder(key), setup.tokenizer)
    untimed = [UNTIMED] if setup.options.untimed else []
    parts = checkpoints.parts
    cut = [f"batches were cut into {parts} parts for want of memory"] if parts > 1 else []
    return TrainingRecord(
        **_named(setup, cell, key),
        status="finished" if error is None else "diverged",
        stages=[log.as_json() | {"trace": log.trace | made_from} for log in logs],
        seconds=readings,
        clock=timer.clock,
        parameters_before=before,
        parameters_kept=_parameters(model),
        clean_correct=clean,
        weights_sha256=weights_hash,
        peak_memory_bytes=peak_memory,
        flags=[*not_idle, *readings["flags"], *watch.warnings, *beside.flags, *checkpoints.flags],
        started_at=started,
        error=error,
        step_flops=counted.as_json(),
        watch=watch.as_json() | {"invalid": [*watch.invalid, *untimed, *cut], "warnings": list(watch.warnings)},
    )


def _failed(setup: Setup, cell: Cell, key: str, why: str) -> TrainingRecord:
    """The record of a training that could not be made; it holds no time and no weights."""
    timer = timer_for(setup.device)
    return TrainingRecord(
        **_named(setup, cell, key),
        status="failed",
        stages=[],
        seconds=timer.readings(),
        clock=timer.clock,
        parameters_before=0,
        parameters_kept=0,
        clean_correct="",
        weights_sha256=None,
        peak_memory_bytes=peak_memory_bytes(setup.device),
        flags=[],
        started_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        error=why,
    )


def _named(setup: Setup, cell: Cell, key: str) -> dict[str, Any]:
    """What every record of a cell says of what was to be trained, and where."""
    return {
        "key": key,
        "identity": setup.training_identity(cell),
        "task": cell.task,
        "defense": cell.defense.key,
        "title": cell.defense.title,
        "seed": cell.seed,
        "machine": setup.machine,
        "versions": setup.versions,
        "source": source_of(type(cell.defense)) or None,
    }


def warm_up(
    defense: Defense | CountedSteps,
    model: torch.nn.Module,
    batches: Batches,
    precision: Precision,
    on_update: OnUpdate | None = None,
    graphs: Graphs | None = None,
    parts: int = 1,
) -> None:
    """Takes every stage of the method once through a few updates on a copy of the model; nothing of it stays."""
    devices = [torch.cuda.current_device()] if next(model.parameters()).is_cuda else []
    with torch.random.fork_rng(devices), suppress(Diverged):
        fit(
            defense,
            copy.deepcopy(model),
            batches,
            precision=precision,
            on_update=on_update,
            most_updates=WARM_UP_UPDATES,
            graphs=graphs,
            parts=parts,
        )
    if devices:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def training_batches(setup: Setup, task: TaskSetup, seed: int) -> BucketedBatches:
    """The training batches of one seed: the same, in the same order, for every method that needs tokens alone."""
    cache = setup.store.root / "tokens"
    encoded = encode(setup.tokenizer, task.dataset.train, task.max_length, cache)
    return BucketedBatches(encoded, task.batch_size, seed, pinned=setup.device == "cuda")


def _batches_of(setup: Setup, cell: Cell) -> tuple[BucketedBatches, dict[str, Any]]:
    """The cell's batches with what its defense needs beyond tokens, and what to record of how they came about."""
    task, needs = setup.tasks[cell.task], cell.defense.needs
    cache = setup.store.root / "tokens"
    examples, made_from = list(task.dataset.train), {}
    if "adversarial_texts" in needs:
        outcomes = _attacks_on_training_texts(setup, cell)
        examples += adversarial_examples(outcomes)
        made_from = {"adversarial_texts": tally(outcomes)}
    substitutes = None
    if "substitutes" in needs:
        synonyms = task.resources.synonyms
        substitutes = find_substitutes(
            setup.tokenizer, examples, task.max_length, synonyms, task.resources.identity()["synonyms"], cache
        )
    batches = BucketedBatches(
        encode(setup.tokenizer, examples, task.max_length, cache),
        task.batch_size,
        cell.seed,
        substitutes=substitutes,
        replaceable=replaceable_tokens(setup.tokenizer) if "replaceable" in needs else None,
        balanced="balanced_batches" in needs,
        pinned=setup.device == "cuda",
    )
    return batches, made_from


def _attacks_on_training_texts(setup: Setup, cell: Cell) -> list[Outcome]:
    """Attacks on a share of the training texts against the cell's base model, which is trained where it is not stored.

    Raises:
        RuntimeError: where the base diverged.
    """
    task, recipe = setup.tasks[cell.task], training_recipe(cell.defense)
    base = train(setup, base_cell(cell))
    if base.status != "finished":
        raise RuntimeError(f"the fine-tuned model that {cell.defense.title} attacks {base.status}: {base.error}")
    store = setup.store.of_training_texts()
    key = content_key(setup.adversarial_identity(cell))
    with store.locked("attacks", key):
        store.hold_to(key, base.weights_sha256)
        done = {outcome.example_id for outcome in store.outcomes(key)}
        left = [example for example in drawn_texts(task.dataset.train, cell) if example.id not in done]
        if left:
            victim = victim_of(setup, task, load_trained(setup.store, base).to(setup.device))
            for outcome in attack_all(
                victim, left, recipe, task.resources, seed=ATTACK_SEED, columns=task.dataset.columns
            ):
                store.append_outcome(key, outcome)
        return store.outcomes(key)


def victim_of(setup: Setup, task: TaskSetup, model: torch.nn.Module) -> Victim:
    """The model as attacks and evaluation see it: texts in, probabilities out."""
    return Victim(model, setup.tokenizer, max_length=task.max_length, device=setup.device)


def _name_classes(config: Any, names: Sequence[str]) -> None:
    """Writes the task's class names into a model's configuration, for who uses the model elsewhere."""
    config.id2label = dict(enumerate(names))
    config.label2id = {name: number for number, name in enumerate(names)}


def _parameters(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _clean_correct(victim: Victim, examples: Any) -> str:
    predicted = victim([example.texts for example in examples]).argmax(axis=1)
    return "".join("1" if guess == example.label else "0" for guess, example in zip(predicted, examples, strict=True))


def attack_key(setup: Setup, task: str, trained_key: str, recipe: Recipe) -> str:
    """The name of an attack's record in the store."""
    return content_key(setup.attack_identity(trained_key, task, recipe, ATTACK_SEED, ENGINE))


def attack_model(
    setup: Setup, training: TrainingRecord, recipe: Recipe, on_outcome: Callable[[], None] | None = None
) -> AttackRecord:
    """Attacks a stored model; every outcome is stored as it comes, and those stored already are not redone.

    Outcomes of other weights, from before the training was redone, are moved away first.

    Raises:
        ValueError: where another process is at the same attack.
        RuntimeError: where the model's weights are not those that were trained; they are moved away.
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
    """Attacks the task's texts that have no outcome yet, stores each outcome as it comes, and then the record.

    Args:
        key: the attack's name in the store.
        named: what the record says of the victim: identity, training_key, defense and seed.
    """
    chosen = setup.tasks[task]
    started, clock = datetime.now(timezone.utc), time.perf_counter()
    left = remaining(setup, key, chosen)
    for outcome in attack_all(victim, left, recipe, chosen.resources, seed=ATTACK_SEED, columns=chosen.dataset.columns):
        setup.store.append_outcome(key, outcome)
        if on_outcome is not None:
            on_outcome()
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


def load_trained(store: Store, training: TrainingRecord) -> torch.nn.Module:
    """The model of a training, in eval mode, its weights held to the hash in the record.

    Raises:
        RuntimeError: where they are not those that were trained; the training is moved away, to be redone.
    """
    weights = store.weights_path(training.key)
    if not weights.is_file() or sha256_of(weights) != training.weights_sha256:
        with store.locked("trainings", training.key):
            why = f"the weights {weights} are not those that were trained"
            raise RuntimeError(store.set_aside("trainings", training.key, why) + " by the same command")
    return load_classifier(weights.parent)


def remaining(setup: Setup, key: str, task: TaskSetup) -> list[Example]:
    """The attacked texts without a stored outcome."""
    done = {outcome.example_id for outcome in setup.store.outcomes(key)}
    return [example for example in task.attacked if example.id not in done]


def stored_attacks(setup: Setup, training: TrainingRecord) -> Iterator[tuple[Recipe, AttackRecord | None]]:
    """Each recipe with the record of its attack on this model, or None; one on other weights does not count."""
    for recipe in setup.recipes:
        key = attack_key(setup, training.task, training.key, recipe)
        is_of_these = setup.store.victim(key) in (None, training.weights_sha256)
        yield recipe, setup.store.attack(key) if is_of_these else None
