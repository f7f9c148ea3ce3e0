"""The content of a store as one value per task and defense with its settings: runs by seed, attacks by recipe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from benchmarks.data.tasks import TASKS
from benchmarks.experiments.defenses import TABLE_ORDER
from benchmarks.results.metrics import mean_queries, too_many_broke
from benchmarks.results.records import Outcome, TrainingRecord
from benchmarks.results.store import content_key
from reports.attack_groups import MODEL_FIELDS, place
from reports.frame import AttackResult
from reports.listings import dotted

OF_THE_DEFENSE = ("defense", "defense_source", "settings", "seed", "revision")
OF_ITS_NEEDS = ("substitutes", "adversarial_texts")
SEEDED = ("ticket_seed",)
SEEDED_TEXTS = ("base", "seed")  # of the attack that made a training's adversarial texts
AS_THE_RUN = "as the run"


@dataclass(frozen=True)
class AttackRuns:
    """The runs of one attack's settings on one victim's runs.

    Attributes:
        recipe, title: as in the records.
        identity: the attack's identity without the victim.
        example_ids: the attacked texts, in the order drawn.
        runs: an outcome per text, in that order, by seed.
        keys: the key of each run's record, by seed.
        profile: its resources, in words.
    """

    recipe: str
    title: str
    identity: Mapping[str, Any]
    example_ids: tuple[str, ...]
    runs: Mapping[int, Sequence[Outcome]]
    keys: Mapping[int, str]
    profile: str

    @cached_property
    def key(self) -> str:
        """SHA-256 of the attack's identity: equal keys are the same attack on the same texts."""
        return content_key({"identity": self.identity, "texts": self.example_ids})

    @cached_property
    def texts(self) -> str:
        """SHA-256 of the attacked texts' ids and wording: another data set may have the same ids."""
        first = next(iter(self.runs.values()))
        return content_key({"texts": [[outcome.example_id, outcome.original] for outcome in first]})

    @property
    def count(self) -> int:
        """The number of attacked texts."""
        return len(self.example_ids)

    def queries(self, seed: int) -> float:
        """#Query of a run."""
        return mean_queries(self.runs[seed])

    def withstood(self, seed: int) -> np.ndarray:
        """Whether each text is still read correctly, (N,), bool; False for a text with an attack error."""
        return np.array([outcome.status == "failed" for outcome in self.runs[seed]])


@dataclass(frozen=True)
class Measured:
    """One defense's settings on one task under the same conditions, over seeds.

    Attributes:
        task, defense, title: as in the records; for a model attacked without a training, the file and the model.
        settings: hyperparameters under dotted names.
        source: hash of the defense's file, if it came from one.
        surroundings: everything else that decides the trained weights, except the seed: data, backbone, batch size,
            lengths; for a model, its weights' hash and its input settings.
        trainings: finished runs by seed.
        attacks: complete attacks on them.
    """

    task: str
    defense: str
    title: str
    settings: Mapping[str, Any]
    source: str | None
    surroundings: Mapping[str, Any]
    trainings: Mapping[int, TrainingRecord]
    attacks: tuple[AttackRuns, ...]

    def read_rightly(self, seed: int) -> np.ndarray:
        """Whether each test text is read correctly, (N,), bool."""
        return np.array([bit == "1" for bit in self.trainings[seed].clean_correct], bool)


def measure(trainings: Mapping[str, TrainingRecord], results: Iterable[AttackResult]) -> list[Measured]:
    """Group the records, tasks and defenses in the order of the tables; diverged runs and attacks that are partial or
    have too many errors are left out."""
    finished = [record for record in trainings.values() if record.status == "finished"]
    attacked: dict[str, list[AttackResult]] = {}
    for result in results:
        if result.complete and not too_many_broke(result.outcomes):
            attacked.setdefault(result.record.training_key, []).append(result)
    groups: dict[str, list[TrainingRecord]] = {}
    for record in sorted(finished, key=_order):
        groups.setdefault(content_key(_without_seed(record)), []).append(record)
    found = [_of_trainings(group, attacked) for group in groups.values()]
    foreign = [result for key, group in attacked.items() if key not in trainings for result in group]
    return found + _of_models(foreign)


def _order(record: TrainingRecord) -> tuple[Any, ...]:
    return place(list(TASKS), record.task), place(TABLE_ORDER, record.defense), record.seed, record.key


def _without_seed(record: TrainingRecord) -> dict[str, Any]:
    """Task, identity and settings without the seed: equal for all runs of the same settings."""
    return {"task": record.task, "identity": _shared_identity(record), "settings": _settings(record)}


def _shared_identity(record: TrainingRecord) -> dict[str, Any]:
    """A training's identity without settings and seed; also without the seed of the attack on its training texts."""
    shared = {name: value for name, value in record.identity.items() if name not in ("seed", "settings")}
    if texts := shared.get("adversarial_texts"):
        shared["adversarial_texts"] = {name: value for name, value in texts.items() if name not in SEEDED_TEXTS}
    return shared


def shared_conditions(surroundings: Mapping[str, Any]) -> dict[str, Any]:
    """What the victims of one table share: the surroundings without what single defenses need."""
    return {name: value for name, value in surroundings.items() if name not in OF_ITS_NEEDS}


def _settings(record: TrainingRecord) -> dict[str, Any]:
    """Hyperparameters under dotted names; a seed that follows the run's is not counted as a difference."""
    settings = dotted(record.identity.get("settings", {}))
    return settings | {name: AS_THE_RUN for name in SEEDED if settings.get(name) == record.seed}


def _of_trainings(group: Sequence[TrainingRecord], attacked: Mapping[str, Sequence[AttackResult]]) -> Measured:
    first = group[0]
    return Measured(
        task=first.task,
        defense=first.defense,
        title=first.title,
        settings=_settings(first),
        source=first.identity.get("defense_source"),
        surroundings={name: each for name, each in _shared_identity(first).items() if name not in OF_THE_DEFENSE},
        trainings={record.seed: record for record in group},
        attacks=_attack_runs([result for record in group for result in attacked.get(record.key, ())], ("training",)),
    )


def _of_models(results: Iterable[AttackResult]) -> list[Measured]:
    """Models attacked without a training of ours: one value per file of texts, model and input settings."""
    groups: dict[str, list[AttackResult]] = {}
    for result in results:
        record = result.record
        model = {name: record.identity.get(name) for name in MODEL_FIELDS}
        groups.setdefault(content_key({"task": record.task, "defense": record.defense} | model), []).append(result)
    found = []
    for group in groups.values():
        first = group[0].record
        model = {name: first.identity[name] for name in MODEL_FIELDS if name in first.identity}
        attacks = _attack_runs(group, (*MODEL_FIELDS, "evaluation", "seed"))
        found.append(Measured(first.task, first.defense, first.defense, {}, None, model, {}, attacks))
    return found


def _attack_runs(results: Sequence[AttackResult], of_the_victim: Sequence[str]) -> tuple[AttackRuns, ...]:
    groups: dict[str, list[AttackResult]] = {}
    identities: dict[str, dict[str, Any]] = {}
    for result in sorted(results, key=lambda result: (result.record.recipe, result.record.seed)):
        identity = {name: value for name, value in result.record.identity.items() if name not in of_the_victim}
        key = content_key({"identity": identity, "texts": result.record.example_ids})
        identities[key] = identity
        groups.setdefault(key, []).append(result)
    return tuple(
        AttackRuns(
            recipe=group[0].record.recipe,
            title=group[0].record.recipe_title,
            identity=identities[key],
            example_ids=tuple(group[0].record.example_ids),
            runs={result.record.seed: result.in_order() for result in group},
            keys={result.record.seed: result.record.key for result in group},
            profile=group[0].record.profile,
        )
        for key, group in groups.items()
    )


class Attack(Protocol):
    """What comparisons take from an attack: of `Measured`, or of a row of a board."""

    key: str
    texts: str
    count: int
    runs: Mapping[int, Any]

    def withstood(self, seed: int) -> np.ndarray:
        """Whether each text is still read correctly, (N,), bool."""


class Cell(Protocol):
    """What comparisons take from a victim's runs: a `Measured`, or a row of a board."""

    trainings: Mapping[int, Any]
    attacks: Sequence[Attack]

    def read_rightly(self, seed: int) -> np.ndarray:
        """Whether each test text is read correctly, (N,), bool."""


def aua_matrices(cells: Sequence[Cell]) -> list[np.ndarray] | None:
    """Aua% of each of several victims as matrices (R, N) of the same runs and texts, averaged over attacks.

    The attacks are those that all victims have with equal settings; if these differ in their texts, those on the most
    texts. None if the victims share no attack, or no seed under all of them.
    """
    shared = [attack for attack in cells[0].attacks if all(_same(attack, cell) for cell in cells)]
    if not shared:
        return None
    texts = max(shared, key=lambda attack: attack.count).texts
    keys = [attack.key for attack in shared if attack.texts == texts]
    chosen = [[attack for key in keys for attack in cell.attacks if attack.key == key] for cell in cells]
    seeds = _common([attack.runs for attacks in chosen for attack in attacks])
    if not seeds:
        return None
    return [
        np.array([[100.0 * attack.withstood(seed) for seed in seeds] for attack in attacks]).mean(axis=0)
        for attacks in chosen
    ]


def _same(attack: Attack, cell: Cell) -> bool:
    return any(other.key == attack.key for other in cell.attacks)


def clean_matrices(cells: Sequence[Cell]) -> list[np.ndarray] | None:
    """Clean% of each of several victims as matrices (R, N) of the same runs and test texts; None without a common run.

    The victims were trained under the same conditions, so they share the test split.
    """
    seeds = _common([cell.trainings for cell in cells])
    if not seeds:
        return None
    return [np.array([100.0 * cell.read_rightly(seed) for seed in seeds]) for cell in cells]


def _common(by_seed: Sequence[Mapping[int, Any]]) -> list[int]:
    return sorted(set.intersection(*(set(each) for each in by_seed)))
