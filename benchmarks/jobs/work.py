"""The work of a plan, item by item, in a form that any process can take up: trainings, and attacks on their models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from baselines.needs import AdversarialTexts
from baselines.validation import MachineError
from benchmarks.attacks.recipes import find_recipe
from benchmarks.experiments.defenses import build, source_of
from benchmarks.experiments.experiment import Cell, Experiment, Terms
from benchmarks.experiments.options import Options
from benchmarks.jobs.adversarial_texts import base_cell
from benchmarks.jobs.attack import attack_key, attack_model, stored_attacks
from benchmarks.jobs.plan import Plan
from benchmarks.jobs.resolve import Setup, resolve
from benchmarks.jobs.train import train, training_key
from benchmarks.results.records import TrainingRecord
from benchmarks.results.store import Kind, content_key, differences


@dataclass(frozen=True)
class RunSpec:
    """What a process resolves to a run's `Setup`.

    Attributes:
        options: what the user asked for.
        tasks: the tasks.
        experiment: what it is for.
    """

    options: Options
    tasks: tuple[str, ...]
    experiment: Experiment | None

    @classmethod
    def of(cls, setup: Setup) -> RunSpec:
        """Those of a resolved run, its threads spelt out: weights trained on a CPU depend on their number."""
        options = replace(setup.options, threads=setup.machine["threads"])
        return cls(options, tuple(setup.tasks), setup.experiment)

    def resolve(self, **changes: Any) -> Setup:
        """The setup in this process, with some options changed."""
        return resolve(replace(self.options, **changes), self.tasks, self.experiment)


@dataclass(frozen=True)
class Training:
    """One model to train.

    Attributes:
        key: its name in the store.
        label: what it is called on the screen.
        task, seed: as in its cell; together, the block that it belongs to.
        defense, settings: the defense's key, or the path of its file, and all its hyperparameters.
        identity: what its key is the hash of.
        base: key of the training whose model makes texts for this one, or None.
        made_from: the folder of those texts in the store, or None.
    """

    key: str
    label: str
    task: str
    seed: int
    defense: str
    settings: dict[str, Any]
    identity: dict[str, Any]
    base: str | None = None
    made_from: str | None = None

    kind: ClassVar[Kind] = "trainings"
    unit: ClassVar[str] = "updates"
    length: ClassVar[None] = None

    @property
    def needs(self) -> str | None:
        """Key of the training that must be stored before."""
        return self.base

    @property
    def folders(self) -> tuple[str, ...]:
        """What it makes, by path in the store; the last is its own."""
        own = f"trainings/{self.key}"
        return (own,) if self.made_from is None else (self.made_from, own)

    def cell(self) -> Cell:
        """The cell it is the training of.

        Raises:
            ValueError: if the defense's file is not here.
        """
        return Cell(self.task, build(self.defense, self.task, self.settings), self.seed)

    def do(self, setup: Setup, tell: Callable[[], None]) -> None:
        """Train and store; `tell` is called at each update.

        Raises:
            RuntimeError: if data, backbone or code of this process are not those it was planned with.
        """
        cell = self.cell()
        changed = next(differences(self.identity, setup.training_identity(cell)), None)
        if changed is not None:
            raise MachineError(f"{self.label} was planned otherwise than it would be trained: {changed}")
        train(setup, cell, on_update=lambda stage, progress: tell())


@dataclass(frozen=True)
class Attack:
    """One attack on a stored model.

    Attributes:
        key: its name in the store.
        label: what it is called on the screen.
        training: key of its victim.
        weights_sha256: hash of the victim's weights.
        recipe: the recipe's key.
        terms: how it meets the model.
        length: texts still to be attacked.
    """

    key: str
    label: str
    training: str
    weights_sha256: str | None
    recipe: str
    terms: Terms
    length: int

    kind: ClassVar[Kind] = "attacks"
    unit: ClassVar[str] = "texts"

    @property
    def needs(self) -> str:
        """Key of the training that must be stored before."""
        return self.training

    @property
    def folders(self) -> tuple[str, ...]:
        """What it makes, by path in the store."""
        return (f"attacks/{self.key}",)

    def do(self, setup: Setup, tell: Callable[[], None]) -> None:
        """Attack and store; `tell` is called at each outcome."""
        training = setup.store.training(self.training)
        assert training is not None
        attack_model(setup.under(self.terms), training, find_recipe(self.recipe), on_outcome=tell)


Item = Training | Attack


def trainings_of(setup: Setup, plan: Plan) -> list[Training]:
    """The trainings of a plan, stored or not, each once; one that takes texts from another comes after that."""
    found: dict[str, Training] = {}
    for number, planned in enumerate(plan.cells, start=1):
        item = _training(setup, planned.cell, f"[{number}/{len(plan.cells)}] ")
        if item.base is not None:
            found.setdefault(item.base, _training(setup, base_cell(planned.cell), ""))
        found.setdefault(item.key, item)
    return list(found.values())


def _training(setup: Setup, cell: Cell, number: str) -> Training:
    base = made_from = None
    if wanted := cell.defense.need(AdversarialTexts):
        base = training_key(setup, base_cell(cell))
        made_from = f"adversarial_texts/attacks/{content_key(setup.adversarial_identity(cell, wanted))}"
    return Training(
        key=training_key(setup, cell),
        label=f"{number}{cell.task} {cell.defense.title} seed {cell.seed}",
        task=cell.task,
        seed=cell.seed,
        defense=source_of(type(cell.defense)).get("path", cell.defense.key),
        settings=cell.defense.settings(),
        identity=setup.training_identity(cell),
        base=base,
        made_from=made_from,
    )


def attacks_to_do(setup: Setup, terms: Sequence[Terms], record: TrainingRecord) -> list[Attack]:
    """The attacks on one model that are not stored, each once: two terms may come to the same texts."""
    found: dict[str, Attack] = {}
    if record.status != "finished":
        return []
    for each in terms:
        under = setup.under(each)
        for recipe, stored in stored_attacks(under, record):
            if stored is None:
                key = attack_key(under, record.task, record.key, recipe)
                found[key] = Attack(
                    key=key,
                    label=f"{record.task} {record.title} seed {record.seed}: {recipe.title}",
                    training=record.key,
                    weights_sha256=record.weights_sha256,
                    recipe=recipe.key,
                    terms=each,
                    length=len(under.tasks[record.task].attacked) - len(setup.store.outcomes(key)),
                )
    return list(found.values())
