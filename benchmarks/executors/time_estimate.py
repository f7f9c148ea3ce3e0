"""A minute's look at this machine: what an update of each method, a query, and a start of a process cost here."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import torch

from baselines.batch import Batch
from baselines.defense import Defense
from baselines.fine_tune import FineTune
from baselines.memory import ran_out_of_memory
from baselines.training import Batches, Diverged, fit, planned_updates
from benchmarks.clock.cost import epoch_units
from benchmarks.clock.nvml import cuda_device, watching
from benchmarks.clock.timing import timer_for
from benchmarks.executors.fresh_process import call_in_fresh_process
from benchmarks.experiments.defenses import build, source_of
from benchmarks.experiments.experiment import Experiment
from benchmarks.experiments.options import Options
from benchmarks.jobs.attack import victim_of
from benchmarks.jobs.batches import training_batches
from benchmarks.jobs.resolve import Setup, resolve
from benchmarks.jobs.train import WARM_UP_UPDATES
from benchmarks.results.store import content_key

BUDGET_SECONDS = 60.0
SHARES = (0.5, 1 / 6, 0.5, 5 / 6)  # which batches are timed, by length; the first only warms up
TIMED_TEXTS = 32

# How many forward passes of the victim an attack's time comes to, per word of the text; the sentence encoder's and
# Python's share is in it. Between what MiniLM took on the demo's texts, whose words have few synonyms, and on SST-2's.
FORWARDS_PER_WORD = {"textfooler": 1.2, "textbugger": 2.0, "bertattack_official": 2.0}
OTHER_FORWARDS_PER_WORD = 2.0


@dataclass(frozen=True)
class TaskSpeed:
    """What one task's work costs on this machine.

    Attributes:
        updates_per_epoch: updates in one pass over the training texts.
        update_seconds: a plain fine-tuning update.
        stages: for each method that was timed, by the hash of its settings: planned updates and seconds of an update,
            by stage.
        text_seconds: one query of the victim.
        start_seconds: a new process until its training starts.
        test_texts: texts of the clean evaluation.
        model_bytes: one stored model.
        watts: the GPU's power while it trained, or None.
    """

    updates_per_epoch: int
    update_seconds: float
    text_seconds: float
    start_seconds: float
    test_texts: int
    model_bytes: int
    watts: float | None
    stages: dict[str, dict[str, tuple[int, float]]] = field(default_factory=dict)

    def was_timed(self, defense: Defense) -> bool:
        """Whether its own updates were timed, and not predicted by the cost model."""
        return _name(defense) in self.stages

    def update_total(self, defense: Defense) -> float:
        """Seconds on the clock of a whole training; a search is taken to go on to its cap."""
        if self.was_timed(defense):
            return sum(updates * seconds for updates, seconds in self.stages[_name(defense)].values())
        return epoch_units(defense) * self.updates_per_epoch * self.update_seconds

    def train_seconds(self, defense: Defense) -> float:
        """Seconds of a whole training as one waits for them: start, warm-up, updates, evaluation."""
        stages = self.stages.get(_name(defense), {"": (0, self.update_seconds)})
        warm_up = WARM_UP_UPDATES * sum(seconds for _, seconds in stages.values())
        return self.start_seconds + warm_up + self.update_total(defense) + self.test_texts * self.text_seconds

    def attack_seconds(self, recipe: str, words: int) -> float:
        """Seconds of an attack on texts of so many words together, with all cores at work."""
        return FORWARDS_PER_WORD.get(recipe, OTHER_FORWARDS_PER_WORD) * words * self.text_seconds


def calibrate(setup: Setup, task: str, defenses: Sequence[Defense], seed: int) -> TaskSpeed:
    """Time fine-tuning, then, within a minute, every other method's stages, on throw-away weights.

    It is done in a process of its own: one that holds no GPU memory is then left to watch over the runs.

    Args:
        defenses: those the plan holds. What is not reached in time, or needs more than tokens, is left to the cost
            model.
    """
    described = [
        (source_of(type(defense)).get("path", defense.key), defense.settings())
        for defense in sorted(defenses, key=epoch_units)
    ]
    began = time.perf_counter()
    speed, worked = call_in_fresh_process(
        _calibrate, setup.options, tuple(setup.tasks), setup.experiment, task, described, seed
    )
    return replace(speed, start_seconds=time.perf_counter() - began - worked)


def _calibrate(
    options: Options,
    tasks: tuple[str, ...],
    experiment: Experiment | None,
    name: str,
    described: Sequence[tuple[str, dict[str, Any]]],
    seed: int,
    tell: Callable[[], None],
) -> tuple[TaskSpeed, float]:
    """The task's speed, its start left out, and the seconds it took to find."""
    setup = resolve(options, tasks, experiment)
    began = time.perf_counter()
    task = setup.tasks[name]
    model = setup.backbone.new_classifier(len(task.dataset.label_names), seed).to(setup.device)
    batches = _TypicalBatches(training_batches(setup, task, seed))
    with watching(cuda_device() if setup.device == "cuda" else None) as watcher:
        plain = _plain_stages(setup, model, batches, task.batch_size)
        timed: dict[str, dict[str, tuple[int, float]]] = {}
        for key, settings in described:
            defense = build(key, name, settings)
            in_time = time.perf_counter() - began < BUDGET_SECONDS
            if in_time and not defense.needs and _name(defense) not in timed:
                with suppress(Diverged, torch.OutOfMemoryError):
                    timed[_name(defense)] = _stages(setup, defense, model, batches)
    ((_, update_seconds),) = plain.values()
    speed = TaskSpeed(
        updates_per_epoch=batches.updates_per_epoch,
        update_seconds=update_seconds,
        text_seconds=_text_seconds(setup, name, model),
        start_seconds=0.0,
        test_texts=len(task.dataset.test),
        model_bytes=sum(parameter.numel() * parameter.element_size() for parameter in model.parameters()),
        watts=watcher.result.watts,
        stages=timed,
    )
    return speed, time.perf_counter() - began


def _name(defense: Defense) -> str:
    """One name for equal defenses, in whatever process."""
    return content_key({"defense": defense.key, "settings": defense.settings()})


class _TypicalBatches:
    """A few batches of a training set, chosen by their length, in place of all; its epochs keep their length."""

    def __init__(self, batches: Batches) -> None:
        self.updates_per_epoch = batches.updates_per_epoch
        by_length = sorted(batches.epoch(0), key=lambda batch: batch.input_ids.numel())
        self._chosen = [by_length[int(share * len(by_length))] for share in SHARES]

    def epoch(self, number: int, shuffle: bool = True) -> Iterator[Batch]:
        """The chosen batches."""
        return iter(self._chosen)


def _plain_stages(
    setup: Setup, model: torch.nn.Module, batches: Batches, batch_size: int
) -> dict[str, tuple[int, float]]:
    """Fine-tuning's stage, on batches in as few parts as the memory allows; whether that may be, the training tells."""
    parts = 1
    while True:
        try:
            return _stages(setup, FineTune(epochs=1), model, batches, parts)
        except Exception as error:
            if parts >= batch_size or not ran_out_of_memory(error):
                raise
        parts *= 2


def _stages(
    setup: Setup, defense: Defense, model: torch.nn.Module, batches: Batches, parts: int = 1
) -> dict[str, tuple[int, float]]:
    """By stage, the updates it would make and the mean seconds of one."""
    timer = timer_for(setup.device)
    planned: dict[str, int] = {}
    fit(
        defense,
        copy.deepcopy(model),
        batches,
        timer=timer,
        precision=setup.precision,  # type: ignore[arg-type]
        on_update=lambda stage, progress: planned.update({stage.name: planned_updates(stage, stage.epochs, batches)}),
        most_updates=len(SHARES),
        graphs=setup.graphs(),
        parts=parts,
    )
    timer.readings()
    found = {}
    for name, updates in planned.items():
        seconds = timer.series[name][1:] or timer.series[name]
        found[name] = (updates, sum(seconds) / len(seconds))
    return found


def _text_seconds(setup: Setup, name: str, model: torch.nn.Module) -> float:
    """Seconds of one query; victims remember, so each text is asked once."""
    task = setup.tasks[name]
    texts = [example.texts for example in islice(task.attacked, TIMED_TEXTS)]
    victim_of(setup, task, model)(texts)
    fresh = victim_of(setup, task, model)
    began = time.perf_counter()
    fresh(texts)
    return (time.perf_counter() - began) / len(texts)
