"""Curves and numbers of stored runs for TensorBoard, Weights & Biases or trackio.

Everything is written after the work, from the records: nothing is read back or sent during a timed training.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from baselines.validation import UserError, unknown
from benchmarks.jobs.job import Job
from benchmarks.jobs.plan import look_up
from benchmarks.results.metrics import aua_percent, mean_queries
from benchmarks.results.records import TrainingRecord
from benchmarks.results.store import Store, canonical, content_key, write_atomically
from reports.frame import AttackResult, counted_seconds

PROJECT = "earlyrobust"
SHOWN_KEY = 8

# The imported module, and the package that provides it.
LIBRARIES = {
    "tensorboard": ("torch.utils.tensorboard", "tensorboard"),
    "wandb": ("wandb", "wandb"),
    "trackio": ("trackio", "trackio"),
}


class Tracker(Protocol):
    """A log of one run."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Write some numbers at a step; steps never decrease."""

    def close(self) -> None:
        """End the run."""


class TensorBoard:
    """A folder of TensorBoard's events."""

    def __init__(self, library: Any, name: str, settings: Mapping[str, Any], folder: Path):
        self.writer = library.SummaryWriter(str(folder / name))
        self.writer.add_text("settings", f"`{canonical(settings)}`")

    def log(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        self.writer.close()


class Hosted:
    """A run of Weights & Biases, or of trackio, which has the same functions."""

    def __init__(self, library: Any, name: str, settings: Mapping[str, Any]):
        self.library = library
        library.init(project=PROJECT, name=name, config=dict(settings))

    def log(self, values: Mapping[str, float], step: int) -> None:
        self.library.log(dict(values), step=step)

    def close(self) -> None:
        self.library.finish()


def library_of(tracker: str) -> Any:
    """Import the module of a tracker.

    Raises:
        UserError: for an unknown tracker, or one that is not installed.
    """
    if tracker not in LIBRARIES:
        raise unknown("tracker", tracker, LIBRARIES)
    module, package = LIBRARIES[tracker]
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(f"--track {tracker} needs a package that is not installed; pip install {package}") from error


def track(store: Store, jobs: Sequence[Job], tracker: str) -> int:
    """Log each training with its attacks unless it is logged in its present state; return how many were logged.

    For each logged run a file is written to `tracked/<tracker>/` in the folder of results.

    Raises:
        UserError: for an unknown tracker, or one that is not installed.
    """
    library, folder = library_of(tracker), store.root / "tracked" / tracker
    plan, logged = look_up(store, jobs), 0
    for training in plan.trained.values():
        attacks = [record for record in plan.attacked.values() if record.training_key == training.key]
        results = [AttackResult(record, store.outcomes(record.key)) for record in attacks]
        sources = {"training": training.key, "attacks": [result.record.key for result in results]}
        note = folder / f"{content_key(sources)}.json"
        if note.exists():
            continue
        name = f"{training.task} {training.defense} seed {training.seed} {content_key(sources)[:SHOWN_KEY]}"
        opened: Tracker
        if tracker == "tensorboard":
            opened = TensorBoard(library, name, training.identity, folder)
        else:
            opened = Hosted(library, name, training.identity)
        for step, values in points(training, results):
            opened.log(values, step)
        opened.close()
        write_atomically(note, canonical(sources) + "\n")
        logged += 1
    return logged


def points(training: TrainingRecord, attacks: Sequence[AttackResult]) -> Iterator[tuple[int, dict[str, float]]]:
    """The values to log, with their update over all stages: losses and distances of masks, the results at the end."""
    done = 0
    for stage in training.stages:
        name = stage["name"]
        distances = {each["update"]: each for each in stage["trace"].get("boundaries", ())}
        for update, loss in enumerate(stage["losses"], start=1):
            values = {f"{name}/loss": loss}
            for kind in ("head_distance", "neuron_distance"):
                distance = distances.get(update, {}).get(kind)
                if distance is not None:
                    values[f"{name}/{kind}"] = distance
            yield done + update, values
        done += len(stage["losses"])
    yield done, reached(training, attacks)


def reached(training: TrainingRecord, attacks: Sequence[AttackResult]) -> dict[str, float]:
    """The results: Clean %, seconds if they count, share of parameters kept, Aua % and #Query of each attack."""
    values = {"parameters_kept_percent": 100 * training.parameters_kept / training.parameters_before}
    if training.clean_correct:
        values["clean_percent"] = 100 * training.clean_correct.count("1") / len(training.clean_correct)
    if (seconds := counted_seconds([training]).get(training.seed)) is not None:
        values["training_seconds"] = seconds
    for result in attacks:
        recipe = result.record.recipe
        values[f"{recipe}/aua_percent"] = aua_percent(result.outcomes)
        values[f"{recipe}/queries"] = mean_queries(result.outcomes)
    return values
