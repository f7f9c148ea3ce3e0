"""Jobs: one model to train, one attack on it. A job is frozen, knows its own key, and any process can do it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from baselines.defense import Defense
from baselines.needs import Added
from benchmarks.attacks.recipe import Recipe
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
        source: the file that defines the defense and its hash; empty for a defense of the suite.
        base: the training whose model is attacked to make texts for this one, or None.
        texts: that attack on training texts, or None.
    """

    task: str
    defense: Defense
    seed: int
    identity: dict[str, Any]
    source: Mapping[str, str] = field(default_factory=dict)
    base: TrainJob | None = None
    texts: AttackJob | None = None

    kind: ClassVar[Kind] = "trainings"
    unit: ClassVar[str] = "updates"
    for_training: ClassVar[bool] = True  # as of an attack on training texts

    @cached_property
    def key(self) -> str:
        """The name of its record in the store."""
        return content_key(self.identity)

    @property
    def label(self) -> str:
        """Its name on the screen."""
        return f"{self.task} {self.defense.title} seed {self.seed}"

    @property
    def folder(self) -> str:
        """The folder that it fills, by path in the store."""
        return f"trainings/{self.key}"

    @property
    def needs(self) -> str | None:
        """The folder that must be stored before: that of the attack on training texts."""
        return None if self.texts is None else self.texts.folder

    @property
    def chain(self) -> tuple[Job, ...]:
        """The jobs to do before it and itself, in order."""
        return (self,) if self.base is None or self.texts is None else (self.base, self.texts, self)

    def home(self, store: Store) -> Store:
        """The store that holds its record."""
        return store

    def record(self, store: Store) -> TrainingRecord | None:
        """Its record in the store, or None."""
        return store.training(self.key)

    def __reduce__(self) -> Any:
        """Another process finds the defense by its name or by the path of its file, and gives it its settings."""
        place, others = self.source.get("path", self.defense.key), (self.source, self.base, self.texts)
        return _rebuilt, (self.task, place, self.defense.settings(), self.seed, self.identity, *others)


def _rebuilt(task: str, place: str, settings: dict[str, Any], *others: Any) -> TrainJob:
    return TrainJob(task, build(place, task, settings), *others)


@dataclass(frozen=True)
class AttackJob:
    """One attack on a model.

    Attributes:
        training: key of the model's training, or of the evaluation of a victim from outside.
        task: the task's name.
        defense, title, seed: the attacked model: its defense's key and name in tables, its training's seed.
        recipe: the attack.
        protocol: which texts are attacked, and how long they may be.
        example_ids: the texts to attack.
        identity: all that decides its outcomes.
        added: for an attack on training texts, which of its outcomes are trained on; None for one on test texts.
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
    added: Added | None = None

    kind: ClassVar[Kind] = "attacks"
    unit: ClassVar[str] = "texts"

    @property
    def for_training(self) -> bool:
        """Whether a training waits for its outcomes, which are no results and are stored apart.

        Such an attack takes the place of a training, so that no training is timed beside it.
        """
        return self.added is not None

    @cached_property
    def key(self) -> str:
        """The name of its record and outcomes in the store."""
        return content_key(self.identity)

    @property
    def label(self) -> str:
        """Its name on the screen."""
        on_texts = " on training texts" if self.for_training else ""
        return f"{self.task} {self.title} seed {self.seed}: {self.recipe.title}{on_texts}"

    @property
    def folder(self) -> str:
        """The folder that it fills, by path in the store."""
        return f"adversarial_texts/attacks/{self.key}" if self.for_training else f"attacks/{self.key}"

    @property
    def needs(self) -> str:
        """The folder that must be stored before: that of the attacked model's training."""
        return f"trainings/{self.training}"

    def home(self, store: Store) -> Store:
        """The store that holds its record and outcomes."""
        return store.of_training_texts() if self.for_training else store

    def record(self, store: Store) -> AttackRecord | None:
        """Its record in the store; None also if the attack was on other weights than those stored."""
        training, home = store.training(self.training), self.home(store)
        if training is None or home.victim(self.key) not in (None, training.weights_sha256):
            return None
        return home.attack(self.key)

    def remaining(self, store: Store) -> list[str]:
        """Ids of the texts without a stored outcome."""
        done = {outcome.example_id for outcome in self.home(store).outcomes(self.key)}
        return [each for each in self.example_ids if each not in done]


Job = TrainJob | AttackJob
