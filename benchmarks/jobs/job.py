"""Jobs: one model to train, one attack on it. A job is frozen, knows its own key, and any process can do it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from baselines.defense import Defense
from benchmarks.attacks.recipes import Recipe
from benchmarks.experiments.defenses import source_of
from benchmarks.experiments.experiment import AttackProtocol
from benchmarks.experiments.settings import build
from benchmarks.results.records import AttackRecord, TrainingRecord
from benchmarks.results.store import Kind, Store, content_key


@dataclass(frozen=True)
class TrainJob:
    """One model to train.

    Attributes:
        task: the task's name.
        defense: the defense with all its settings.
        seed: decides the classifier's start, the order of the texts, dropout and perturbations.
        identity: all that decides the trained weights.
        base: the training whose model is attacked to make texts for this one, or None.
        texts: that attack on training texts, or None.
    """

    task: str
    defense: Defense
    seed: int
    identity: dict[str, Any]
    base: TrainJob | None = None
    texts: AttackJob | None = None

    kind: ClassVar[Kind] = "trainings"
    unit: ClassVar[str] = "updates"

    @cached_property
    def key(self) -> str:
        """The name of its record in the store."""
        return content_key(self.identity)

    @property
    def label(self) -> str:
        """What it is called on the screen."""
        return f"{self.task} {self.defense.title} seed {self.seed}"

    @property
    def needs(self) -> str | None:
        """Key of the training that must be stored before."""
        return None if self.base is None else self.base.key

    @property
    def folders(self) -> tuple[str, ...]:
        """What it makes, by path in the store; the last is its own."""
        own = f"trainings/{self.key}"
        return (own,) if self.texts is None else (f"adversarial_texts/attacks/{self.texts.key}", own)

    def record(self, store: Store) -> TrainingRecord | None:
        """What the store has of it."""
        return store.training(self.key)

    def __reduce__(self) -> Any:
        """In another process a defense is found by its name, or by the path of its file, and gets its settings."""
        place = source_of(type(self.defense)).get("path", self.defense.key)
        return _rebuilt, (self.task, place, self.defense.settings(), self.seed, self.identity, self.base, self.texts)


def _rebuilt(task: str, place: str, settings: dict[str, Any], *others: Any) -> TrainJob:
    return TrainJob(task, build(place, task, settings), *others)


@dataclass(frozen=True)
class AttackJob:
    """One attack on a model.

    Attributes:
        training: key of the model's training, or of the evaluation of a victim from outside.
        task: the task's name.
        defense, title, seed: whose model it is: the defense's key, its name in tables, the training's seed.
        recipe: the attack.
        protocol: how it meets the model.
        example_ids: the texts to attack.
        identity: all that decides its outcomes.
    """

    training: str
    task: str
    defense: str
    title: str
    seed: int
    recipe: Recipe
    protocol: AttackProtocol
    example_ids: tuple[str, ...]
    identity: dict[str, Any]

    kind: ClassVar[Kind] = "attacks"
    unit: ClassVar[str] = "texts"

    @cached_property
    def key(self) -> str:
        """The name of its record and outcomes in the store."""
        return content_key(self.identity)

    @property
    def label(self) -> str:
        """What it is called on the screen."""
        return f"{self.task} {self.title} seed {self.seed}: {self.recipe.title}"

    @property
    def needs(self) -> str:
        """Key of the training that must be stored before."""
        return self.training

    @property
    def folders(self) -> tuple[str, ...]:
        """What it makes, by path in the store."""
        return (f"attacks/{self.key}",)

    def record(self, store: Store) -> AttackRecord | None:
        """What the store has of it; an attack on other weights than those stored does not count."""
        training = store.training(self.training)
        if training is None or store.victim(self.key) not in (None, training.weights_sha256):
            return None
        return store.attack(self.key)


Job = TrainJob | AttackJob
