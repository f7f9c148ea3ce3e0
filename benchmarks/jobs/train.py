"""Trains one model: a record and a model in the store, also where it diverges, is killed, or runs out of memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from typing import Any

import torch

from baselines.guard import put_guard
from baselines.memory import ran_out_of_memory
from baselines.training import Diverged, Indivisible, fit, largest_batch, warm_up
from benchmarks.clock.contention import cpu_contention
from benchmarks.clock.flops import CountedSteps
from benchmarks.clock.machine import peak_memory_bytes
from benchmarks.clock.nvml import cuda_device, flags_before, watching
from benchmarks.clock.timing import timer_for
from benchmarks.data.batches import BucketedBatches
from benchmarks.jobs.adversarial_texts import added_texts
from benchmarks.jobs.batches import task_batches
from benchmarks.jobs.context import Context
from benchmarks.jobs.interruption import deferred
from benchmarks.jobs.job import TrainJob
from benchmarks.results.checkpoints import Checkpoints
from benchmarks.results.metrics import right_answers
from benchmarks.results.records import TrainingRecord
from benchmarks.victims.guarded import judge
from benchmarks.victims.model_folder import WEIGHTS
from benchmarks.victims.saved import save_classifier

UNTIMED = "timing was not asked for: other work may have run beside it"

OnUpdate = Callable[[Any, Any], None]


def train(context: Context, job: TrainJob, on_update: OnUpdate | None = None) -> TrainingRecord:
    """Train one model, measure its Clean% on the whole test split, and store model and record.

    A diverged run is a record too, and so is one that ran out of memory, or failed because its adversarial texts could
    not be made. If another process stored the training in the meantime, that record is returned. A killed training
    continues from its last checkpoint; its time is then the sum of its parts, and a flag in the record says so.

    Raises:
        UserError: if another process is running the same training.
        KeyboardInterrupt: after a checkpoint, if SIGTERM or SIGINT came.
    """
    store = context.store
    added = added_texts(store, job)
    batches = task_batches(context, job.task, job.seed, job.defense.needs, added.examples)
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
            if added.complaint is not None:
                measured = _failed(context, added.complaint)
            else:
                measured = _train_within_memory(context, job, batches, after_update, checkpoints)
            stages = [each | {"trace": each["trace"] | added.about} for each in measured["stages"]]
            record = TrainingRecord(
                key=job.key,
                identity=job.identity,
                task=job.task,
                defense=job.defense.key,
                title=job.defense.title,
                seed=job.seed,
                machine=context.machine,
                versions=context.versions,
                source=dict(job.source) or None,
                **(measured | {"stages": stages}),
            )
            store.put_training(record)
        checkpoints.remove()
        return record


def _train_within_memory(
    context: Context, job: TrainJob, batches: BucketedBatches, on_update: OnUpdate, checkpoints: Checkpoints
) -> dict[str, Any]:
    """Train, and return what the record says of it, also of a training with too little memory.

    If batches may be cut into parts, it is restarted with parts that fit; nothing of the first attempt stays.
    """
    if checkpoints.parts > 1 and not context.options.allow_accumulation:
        checkpoints.restart(parts=1)

    def new_model() -> torch.nn.Module:
        return _new_model(context, job.task, job.seed)

    while True:
        try:
            return _train(context, job, new_model(), batches, on_update, checkpoints)
        except Indivisible as refusal:
            return _failed(context, f"ran out of memory, and {refusal}")
        except Exception as error:
            if not ran_out_of_memory(error):
                raise
            why = " ".join(str(error).split())[:200]
        sizes = _halves(batches.batch_size // checkpoints.parts // 2, least=max(1, len(batches.classes)))
        fitting = largest_batch(job.defense, new_model, batches.of_longest, sizes, context.options.precision)
        if fitting is None or not context.options.allow_accumulation:
            advice = "not even one text fits" if fitting is None else f"{fitting} fit"
            ways = "" if fitting is None else f": give --batch-size {fitting}, or --allow-accumulation"
            whole = f"ran out of memory with batches of {batches.batch_size} texts ({why}); {advice}{ways}"
            return _failed(context, whole)
        checkpoints.restart(parts=-(-batches.batch_size // fitting))


def _halves(size: int, least: int) -> Iterator[int]:
    """The size, a half, a quarter, ... down to `least`."""
    while size >= least:
        yield size
        size //= 2


def _new_model(context: Context, task: str, seed: int) -> torch.nn.Module:
    """The classifier to train; its configuration names the task's classes, for those who use it elsewhere."""
    names = context.tasks[task].dataset.label_names
    model: Any = context.backbone.new_classifier(len(names), seed).to(context.device)
    _name_classes(model.config, names)
    return model


def _name_classes(config: Any, names: Sequence[str]) -> None:
    config.id2label = dict(enumerate(names))
    config.label2id = {name: number for number, name in enumerate(names)}


def _train(
    context: Context,
    job: TrainJob,
    model: torch.nn.Module,
    batches: BucketedBatches,
    on_update: OnUpdate,
    checkpoints: Checkpoints,
) -> dict[str, Any]:
    """Train in one go, after a warm-up, save the model unless it diverged, and return what the record says of it."""
    started = datetime.now(timezone.utc)
    on_gpu = context.device == "cuda"
    open_device, own_bytes = (cuda_device(), torch.cuda.max_memory_reserved) if on_gpu else (None, lambda: 0)
    not_idle = flags_before(open_device, own_process=os.getpid())
    before, counted, parts = _parameters(model), CountedSteps(job.defense), checkpoints.parts
    how: dict[str, Any] = {"precision": context.options.precision, "parts": parts}
    warm_up(counted, model, batches, graphs=context.graphs(), **how)  # type: ignore[arg-type]
    timer = timer_for(context.device)
    torch.manual_seed(job.seed)
    logs, error = [], None
    with watching(open_device, own_bytes) as watcher, cpu_contention() as beside:
        how |= {"timer": timer, "on_update": on_update, "keeper": checkpoints, "graphs": context.graphs()}
        try:
            logs = fit(job.defense, model, batches, **how)
        except Diverged as divergence:
            error = str(divergence)
        readings = timer.readings()
    watch, peak_memory = watcher.result, peak_memory_bytes(context.device)
    saved: dict[str, Any] = {"clean_correct": "", "weights_sha256": None}
    if error is None:
        put_guard(model, guard := job.defense.guard(model))
        test = context.tasks[job.task].dataset.test
        answers = judge(context.victim(job.task, model), [example.texts for example in test])
        clean = right_answers(answers.decided, [example.label for example in test])
        files = save_classifier(model, context.store.model_folder(job.key), context.tokenizer)
        saved = {"clean_correct": clean, "weights_sha256": files.pop(WEIGHTS), "model_files": files}
        if guard is not None:
            saved["guard"] = guard.written() | {"passes": guard.passes()}
    untimed = [UNTIMED] if context.options.untimed else []
    cut = [f"batches were cut into {parts} parts to save memory"] if parts > 1 else []
    return saved | {
        "status": "finished" if error is None else "diverged",
        "stages": [log.as_json() for log in logs],
        "seconds": readings,
        "clock": timer.clock,
        "parameters_before": before,
        "parameters_kept": _parameters(model),
        "peak_memory_bytes": peak_memory,
        "flags": [*not_idle, *readings["flags"], *watch.warnings, *beside.flags, *checkpoints.flags],
        "started_at": started.isoformat(timespec="seconds"),
        "error": error,
        "step_flops": counted.as_json(),
        "watch": watch.as_json() | {"invalid": [*watch.invalid, *untimed, *cut], "warnings": list(watch.warnings)},
    }


def _failed(context: Context, why: str) -> dict[str, Any]:
    """What the record says of a training that could not be made; it has no time and no weights."""
    timer = timer_for(context.device)
    return {
        "status": "failed",
        "stages": [],
        "seconds": timer.readings(),
        "clock": timer.clock,
        "parameters_before": 0,
        "parameters_kept": 0,
        "clean_correct": "",
        "weights_sha256": None,
        "peak_memory_bytes": peak_memory_bytes(context.device),
        "flags": [],
        "started_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "error": why,
    }


def _parameters(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
