"""Estimate how long the rest of a plan takes, from a few timed updates and queries and the cost model."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from baselines.batch import Batch
from baselines.defense import Defense
from baselines.fine_tune import FineTune
from baselines.memory import ran_out_of_memory
from baselines.training import Batches, fit
from benchmarks.clock.cost import BERT_BASE, EncoderShape, epoch_units
from benchmarks.clock.nvml import cuda_device, watching
from benchmarks.clock.timing import timer_for
from benchmarks.executors.fresh_process import call_in_fresh_process
from benchmarks.experiments.experiment import FIRST_SEED
from benchmarks.jobs.batches import task_batches
from benchmarks.jobs.context import Context, RunSpec
from benchmarks.jobs.job import AttackJob, TrainJob
from benchmarks.jobs.plan import Plan
from benchmarks.jobs.resolve import Study

SHARES = (0.5, 1 / 6, 0.5, 5 / 6)  # which batches are timed, by length; the first only warms up
TIMED_TEXTS = 32

# Forward passes of the victim that take as long as an attack, per word of the text; includes the sentence encoder and
# Python. Between MiniLM's values on the demo's texts, with few synonyms per word, and on SST-2's.
FORWARDS_PER_WORD = {"textfooler": 1.2, "textbugger": 2.0, "bertattack_official": 2.0}
OTHER_FORWARDS_PER_WORD = 2.0


@dataclass(frozen=True)
class TaskSpeed:
    """The costs of one task's work on this machine.

    Attributes:
        updates_per_epoch: updates in one pass over the training texts.
        update_seconds: a plain fine-tuning update.
        text_seconds: one query of the victim.
        start_seconds: time from starting a process until its training starts.
        test_texts: number of texts of the clean evaluation.
        model_bytes: size of one stored model.
        watts: the GPU's power during training, or None.
        encoder: the backbone's size, for the cost model.
    """

    updates_per_epoch: int
    update_seconds: float
    text_seconds: float
    start_seconds: float
    test_texts: int
    model_bytes: int
    watts: float | None
    encoder: EncoderShape = BERT_BASE

    def clock_seconds(self, defense: Defense) -> float:
        """Seconds of a training on its clock, by the cost model; a search is assumed to run to its maximum."""
        return epoch_units(defense, shape=self.encoder) * self.updates_per_epoch * self.update_seconds

    def train_seconds(self, defense: Defense) -> float:
        """Seconds until a training is done: start, updates, evaluation."""
        evaluation = self.test_texts * defense.answer_passes() * self.text_seconds
        return self.start_seconds + self.clock_seconds(defense) + evaluation

    def attack_seconds(self, recipe: str, words: int, passes: float = 1.0) -> float:
        """Seconds of an attack on texts with this total number of words, with all cores in use.

        Args:
            passes: the cost of an answer, in forward passes.
        """
        return FORWARDS_PER_WORD.get(recipe, OTHER_FORWARDS_PER_WORD) * words * passes * self.text_seconds


@dataclass(frozen=True)
class Estimate:
    """The rest of a plan, in time, disk and energy.

    Attributes:
        train_seconds, attack_seconds: likely duration.
        disk_bytes: size of the models to be trained.
        joules: energy of the GPU for training, or why that is not known.
    """

    train_seconds: float
    attack_seconds: float
    disk_bytes: int
    joules: float | str

    def line(self) -> str:
        """The estimate in a line for the screen."""
        unknown = isinstance(self.joules, str)
        energy = f"energy not available: {self.joules}" if unknown else f"{self.joules / 3.6e6:.2f} kWh"
        return (
            f"likely {_duration(self.train_seconds + self.attack_seconds)} by the cost model: training "
            f"{_duration(self.train_seconds)}, attacks {_duration(self.attack_seconds)}; "
            f"{self.disk_bytes / 1e9:.1f} GB of models; {energy}"
        )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def estimate(study: Study, plan: Plan) -> Estimate:
    """Estimate the rest of a plan; each of its tasks is timed for some seconds."""
    context, left = study.context, plan.left
    speeds = {task: task_speed(context.spec, task) for task in dict.fromkeys(job.task for job in left)}
    defenses = {job.key: job.defense for job in study.trainings}
    train_seconds = attack_seconds = joules = 0.0
    disk_bytes = 0
    for job in left:
        speed = speeds[job.task]
        if isinstance(job, TrainJob):
            train_seconds += speed.train_seconds(job.defense)
            joules += (speed.watts or 0.0) * speed.clock_seconds(job.defense)
            disk_bytes += speed.model_bytes
        else:
            defense = defenses[job.training]
            attack_seconds += speed.attack_seconds(job.recipe.key, _words(context, job), defense.answer_passes())
            attack_seconds += len(job.example_ids) * defense.certificate_passes() * speed.text_seconds
    if not any(speed.watts for speed in speeds.values()):
        why = "there is no GPU in use" if context.device == "cpu" else "the GPU reports no power"
        return Estimate(train_seconds, attack_seconds, disk_bytes, why)
    return Estimate(train_seconds, attack_seconds, disk_bytes, joules)


def _words(context: Context, job: AttackJob) -> int:
    examples = context.tasks[job.task].examples(job.example_ids)
    return sum(len(" ".join(example.texts).split()) for example in examples)


def task_speed(spec: RunSpec, task: str) -> TaskSpeed:
    """Time fine-tuning and queries with random weights.

    This is done in a process of its own, so that the process that starts the jobs uses no GPU memory.
    """
    began = time.perf_counter()
    speed, worked = call_in_fresh_process(_task_speed, spec, task)
    return replace(speed, start_seconds=time.perf_counter() - began - worked)


def _task_speed(spec: RunSpec, name: str, tell: Callable[[], None]) -> tuple[TaskSpeed, float]:
    """The task's speed without the start of the process, and the seconds that measuring took."""
    context = spec.load()
    began = time.perf_counter()
    task = context.tasks[name]
    model = context.backbone.new_classifier(len(task.dataset.label_names), FIRST_SEED).to(context.device)
    batches = _TypicalBatches(task_batches(context, name, FIRST_SEED))
    with watching(cuda_device() if context.device == "cuda" else None) as watcher:
        update_seconds = _update_seconds(context, model, batches, task.batch_size)
    speed = TaskSpeed(
        updates_per_epoch=batches.updates_per_epoch,
        update_seconds=update_seconds,
        text_seconds=_text_seconds(context, name, model),
        start_seconds=0.0,
        test_texts=len(task.dataset.test),
        model_bytes=sum(parameter.numel() * parameter.element_size() for parameter in model.parameters()),
        watts=watcher.result.watts,
        encoder=EncoderShape.of(context.backbone.config),
    )
    return speed, time.perf_counter() - began


class _TypicalBatches:
    """A few batches of typical length, in place of a whole training set; the length of an epoch is unchanged."""

    def __init__(self, batches: Batches) -> None:
        self.updates_per_epoch = batches.updates_per_epoch
        by_length = sorted(batches.epoch(0), key=lambda batch: batch.input_ids.numel())
        self._chosen = [by_length[int(share * len(by_length))] for share in SHARES]

    def epoch(self, number: int, shuffle: bool = True) -> Iterator[Batch]:
        """The chosen batches."""
        return iter(self._chosen)


def _update_seconds(context: Context, model: torch.nn.Module, batches: Batches, batch_size: int) -> float:
    """Mean seconds of a fine-tuning update, on batches in as few parts as the memory allows."""
    parts = 1
    while True:
        timer = timer_for(context.device)
        try:
            fit(
                FineTune(epochs=1),
                copy.deepcopy(model),
                batches,
                timer=timer,
                precision=context.options.precision,  # type: ignore[arg-type]
                most_updates=len(SHARES),
                graphs=context.graphs(),
                parts=parts,
            )
            timer.readings()
            return _mean(timer.series["train"][1:] or timer.series["train"])
        except Exception as error:
            if parts >= batch_size or not ran_out_of_memory(error):
                raise
        parts *= 2


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _text_seconds(context: Context, name: str, model: torch.nn.Module) -> float:
    """Seconds of one query; a victim caches answers, so each text is asked once."""
    texts = [example.texts for example in context.tasks[name].attacked[:TIMED_TEXTS]]
    context.victim(name, model)(texts)
    fresh = context.victim(name, model)
    began = time.perf_counter()
    fresh(texts)
    return (time.perf_counter() - began) / len(texts)
