"""Trains one model: a record and a model in the store, also where it diverges, is killed, or runs out of memory."""

from __future__ import annotations

import copy
import gc
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

import torch

from baselines.capture import Graphs
from baselines.defense import Defense
from baselines.memory import ran_out_of_memory
from baselines.needs import AdversarialTexts
from baselines.training import Batches, Diverged, Indivisible, Precision, fit
from baselines.validation import MachineError
from benchmarks.clock.contention import cpu_contention
from benchmarks.clock.flops import CountedSteps
from benchmarks.clock.machine import peak_memory_bytes
from benchmarks.clock.nvml import cuda_device, flags_before, watching
from benchmarks.clock.timing import timer_for
from benchmarks.data.batches import BucketedBatches
from benchmarks.data.digests import sha256_of
from benchmarks.experiments.defenses import source_of
from benchmarks.jobs.adversarial_texts import adversarial_examples
from benchmarks.jobs.attack import attack_training_texts, victim_of
from benchmarks.jobs.batches import job_batches
from benchmarks.jobs.context import Context
from benchmarks.jobs.interruption import deferred
from benchmarks.jobs.job import TrainJob
from benchmarks.results.checkpoints import Checkpoints
from benchmarks.results.metrics import tally
from benchmarks.results.records import TrainingRecord
from benchmarks.victims.model_folder import WEIGHTS
from benchmarks.victims.saved import save_classifier
from benchmarks.victims.victim import Victim

WARM_UP_UPDATES = 2
UNTIMED = "timing was not asked for: other work may have run beside it"

OnUpdate = Callable[[Any, Any], None]


def train(context: Context, job: TrainJob, on_update: OnUpdate | None = None) -> TrainingRecord:
    """Train one model, measure its Clean% on the whole test split, and store model and record.

    A diverged run is a record too, and so is one that ran out of memory. If another process stored the training in the
    meantime, that record is returned. A killed training continues from its last checkpoint; its time is then the sum of
    its parts, and a flag in the record says so.

    Raises:
        ValueError: if another process is running the same training.
        KeyboardInterrupt: after a checkpoint, if SIGTERM or SIGINT came.
    """
    store = context.store
    batches, made_from = _batches_of(context, job)  # before signals are deferred: what it makes is stored as it comes
    with store.locked("trainings", job.key), deferred() as is_interrupted:
        conditions = {"machine": context.machine, "versions": context.versions}
        checkpoints = Checkpoints(store.checkpoints_folder(job.key), conditions, stop=is_interrupted)
        came_late = False

        def after_update(stage: Any, progress: Any) -> None:
            nonlocal came_late
            if on_update is not None:
                on_update(stage, progress)
            if checkpoints.stopping or came_late:
                raise KeyboardInterrupt
            came_late = is_interrupted()  # after the checkpoint was due: the next update saves one, and is the last

        record = store.training(job.key)
        if record is None:
            record = _train_within_memory(context, job, batches, made_from, after_update, checkpoints)
            store.put_training(record)
        checkpoints.remove()
        return record


def _batches_of(context: Context, job: TrainJob) -> tuple[BucketedBatches, dict[str, Any]]:
    """The training's batches, and what to record of how they came about.

    Adversarial texts are made by attacking the base model, which is trained where it is not stored.

    Raises:
        RuntimeError: if the base diverged.
    """
    if job.base is None or job.texts is None:
        return job_batches(context, job), {}
    base = train(context, job.base)
    if base.status != "finished":
        raise MachineError(f"the fine-tuned model that {job.defense.title} attacks {base.status}: {base.error}")
    outcomes = attack_training_texts(context, job.texts)
    added = job.defense.need(AdversarialTexts).added
    made_from = {"adversarial_texts": tally(outcomes, added)}
    return job_batches(context, job, adversarial_examples(outcomes, added)), made_from


def _train_within_memory(
    context: Context,
    job: TrainJob,
    batches: BucketedBatches,
    made_from: dict[str, Any],
    on_update: OnUpdate,
    checkpoints: Checkpoints,
) -> TrainingRecord:
    """Train, or return the record of a training with too little memory.

    If batches may be cut into parts, it is restarted with parts that fit; nothing of the first attempt stays.
    """
    if checkpoints.parts > 1 and not context.options.allow_accumulation:
        checkpoints.restart(parts=1)
    while True:
        try:
            return _train(context, job, batches, made_from, on_update, checkpoints)
        except Indivisible as refusal:
            return _failed(context, job, f"ran out of memory, and {refusal}")
        except Exception as error:
            if not ran_out_of_memory(error):
                raise
            why = " ".join(str(error).split())[:200]
        fitting = _batch_that_fits(context, job, batches, batches.batch_size // checkpoints.parts // 2)
        if fitting is None or not context.options.allow_accumulation:
            advice = "not even one text fits" if fitting is None else f"{fitting} fit"
            ways = "" if fitting is None else f": give --batch-size {fitting}, or --allow-accumulation"
            whole = f"ran out of memory with batches of {batches.batch_size} texts ({why}); {advice}{ways}"
            return _failed(context, job, whole)
        checkpoints.restart(parts=-(-batches.batch_size // fitting))


def _batch_that_fits(context: Context, job: TrainJob, batches: BucketedBatches, most: int) -> int | None:
    """The largest of `most` texts, a half, a quarter, ... whose longest batch the method can be trained on."""
    size = most
    while size >= max(1, len(batches.classes)):
        gc.collect()  # free the memory of the last attempt
        try:
            warm_up(job.defense, _new_model(context, job), batches.of_longest(size), context.options.precision)
            return size
        except Exception as error:
            if not ran_out_of_memory(error):
                raise
        size //= 2
    return None


def _new_model(context: Context, job: TrainJob) -> torch.nn.Module:
    labels = context.tasks[job.task].dataset.label_names
    return context.backbone.new_classifier(len(labels), job.seed).to(context.device)


def _train(
    context: Context,
    job: TrainJob,
    batches: Batches,
    made_from: dict[str, Any],
    on_update: OnUpdate,
    checkpoints: Checkpoints,
) -> TrainingRecord:
    task = context.tasks[job.task]
    started = datetime.now(timezone.utc).isoformat(timespec="seconds")
    on_gpu = context.device == "cuda"
    open_device, own_bytes = (cuda_device(), torch.cuda.max_memory_reserved) if on_gpu else (None, lambda: 0)
    not_idle = flags_before(open_device, own_process=os.getpid())
    model = _new_model(context, job)
    before = _parameters(model)
    counted = CountedSteps(job.defense)
    warm_up(counted, model, batches, context.options.precision, graphs=context.graphs(), parts=checkpoints.parts)
    timer = timer_for(context.device)
    torch.manual_seed(job.seed)
    logs, error = [], None
    with watching(open_device, own_bytes) as watcher, cpu_contention() as beside:
        try:
            logs = fit(
                job.defense,
                model,
                batches,
                timer=timer,
                precision=context.options.precision,
                on_update=on_update,
                keeper=checkpoints,
                graphs=context.graphs(),
                parts=checkpoints.parts,
            )
        except Diverged as divergence:
            error = str(divergence)
        readings = timer.readings()
    watch, peak_memory = watcher.result, peak_memory_bytes(context.device)
    clean, weights_hash, files = "", None, None
    if error is None:
        clean = _clean_correct(victim_of(context, job.task, model), task.dataset.test)
        _name_classes(model.config, task.dataset.label_names)
        folder = context.store.model_folder(job.key)
        weights_hash = save_classifier(model, folder, context.tokenizer)
        others = sorted(path for path in folder.glob("[!.]*") if path.name != WEIGHTS)
        files = {path.name: sha256_of(path) for path in others if path.is_file()}
    untimed = [UNTIMED] if context.options.untimed else []
    parts = checkpoints.parts
    cut = [f"batches were cut into {parts} parts to save memory"] if parts > 1 else []
    return TrainingRecord(
        **_named(context, job),
        status="finished" if error is None else "diverged",
        stages=[log.as_json() | {"trace": log.trace | made_from} for log in logs],
        seconds=readings,
        clock=timer.clock,
        parameters_before=before,
        parameters_kept=_parameters(model),
        clean_correct=clean,
        weights_sha256=weights_hash,
        model_files=files,
        peak_memory_bytes=peak_memory,
        flags=[*not_idle, *readings["flags"], *watch.warnings, *beside.flags, *checkpoints.flags],
        started_at=started,
        error=error,
        step_flops=counted.as_json(),
        watch=watch.as_json() | {"invalid": [*watch.invalid, *untimed, *cut], "warnings": list(watch.warnings)},
    )


def _failed(context: Context, job: TrainJob, why: str) -> TrainingRecord:
    """The record of a training that could not be made; it holds no time and no weights."""
    timer = timer_for(context.device)
    return TrainingRecord(
        **_named(context, job),
        status="failed",
        stages=[],
        seconds=timer.readings(),
        clock=timer.clock,
        parameters_before=0,
        parameters_kept=0,
        clean_correct="",
        weights_sha256=None,
        peak_memory_bytes=peak_memory_bytes(context.device),
        flags=[],
        started_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        error=why,
    )


def _named(context: Context, job: TrainJob) -> dict[str, Any]:
    """What every record of a training says of what was to be trained, and where."""
    return {
        "key": job.key,
        "identity": job.identity,
        "task": job.task,
        "defense": job.defense.key,
        "title": job.defense.title,
        "seed": job.seed,
        "machine": context.machine,
        "versions": context.versions,
        "source": source_of(type(job.defense)) or None,
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


def _name_classes(config: Any, names: Sequence[str]) -> None:
    """Writes the task's class names into a model's configuration, for who uses the model elsewhere."""
    config.id2label = dict(enumerate(names))
    config.label2id = {name: number for number, name in enumerate(names)}


def _parameters(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _clean_correct(victim: Victim, examples: Any) -> str:
    predicted = victim([example.texts for example in examples]).argmax(axis=1)
    return "".join("1" if guess == example.label else "0" for guess, example in zip(predicted, examples, strict=True))
