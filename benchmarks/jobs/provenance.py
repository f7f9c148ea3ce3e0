"""The conditions of a table, for its caption: preset, data and attacks, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from baselines.primitives.encoders import shape_of
from benchmarks.experiments.presets import Preset
from benchmarks.jobs.context import Context, LoadedTask


@dataclass(frozen=True)
class TaskProvenance:
    """The conditions on one task.

    Attributes:
        title: the task's name in tables.
        data: SHA-256 of its texts.
        origin: where the texts came from.
        training_texts, test_texts, attacked: how many there are of each.
        batch_size, max_length: in training.
        classes: how many labels there are.
        repeated_labels: share of neighbouring training texts, in stored order, that have the same label.
        resources: the resources of the recipes, in words.
        attacks: by recipe, all that decides an attack's outcomes except the victim.
    """

    title: str
    data: str
    origin: str
    training_texts: int
    test_texts: int
    attacked: int
    batch_size: int
    max_length: int
    classes: int
    repeated_labels: float
    resources: str
    attacks: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Provenance:
    """The conditions of the tables of one run.

    Attributes:
        preset, chosen: the preset as the experiment uses it, and a sentence on how it was chosen.
        backbone: its name.
        layer_sizes: heads and neurons in a layer of the unpruned backbone.
        device, precision, capture: how models are trained.
        precision_chosen: how the precision was chosen, in a sentence, or None.
        recipes: titles of the attacks by key.
        tasks: the conditions on each task, by name.
    """

    preset: Preset
    chosen: str
    backbone: str
    layer_sizes: Mapping[str, int]
    device: str
    precision: str
    capture: bool
    recipes: dict[str, str]
    tasks: Mapping[str, TaskProvenance]
    precision_chosen: str | None = None


def provenance_of(context: Context) -> Provenance:
    """The provenance of tables that are made with this context."""
    _, heads, neurons = shape_of(context.backbone)  # type: ignore[arg-type]
    return Provenance(
        preset=context.preset,
        chosen=context.chosen,
        backbone=context.backbone.name,
        layer_sizes={"heads": heads, "neurons": neurons},
        device=context.device,
        precision=context.options.precision,
        precision_chosen=context.precision_chosen,
        capture=context.options.capture,
        recipes={recipe.key: recipe.title for recipe in context.recipes},
        tasks={name: _of_task(context, task) for name, task in context.tasks.items()},
    )


def _of_task(context: Context, task: LoadedTask) -> TaskProvenance:
    labels = [example.label for example in task.dataset.train]
    return TaskProvenance(
        title=task.task.title,
        data=task.dataset.fingerprint,
        origin=task.dataset.origin,
        training_texts=len(task.dataset.train),
        test_texts=len(task.dataset.test),
        attacked=len(task.attacked),
        batch_size=task.batch_size,
        max_length=task.max_length,
        classes=len(task.dataset.label_names),
        repeated_labels=sum(one == other for one, other in pairwise(labels)) / max(1, len(labels) - 1),
        resources=task.resources.describe(*context.recipes),
        attacks={recipe.key: task.attack_identity(recipe) for recipe in context.recipes},
    )
