"""Group stored attacks: the runs over seeds of one victim's settings under one attack's settings."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baselines.validation import UserError
from benchmarks.attacks.recipes import RECIPES
from benchmarks.data.tasks import TASKS
from benchmarks.experiments.defenses import TABLE_ORDER
from benchmarks.results.records import Outcome, TrainingRecord
from benchmarks.results.store import Store, canonical
from reports.frame import AttackResult
from reports.listings import flat
from reports.stages import stages_of

MODEL_FIELDS = ("model", "max_length", "temperature")
VICTIM_KEYS = ("training", "evaluation")
HASH_LETTERS = 8
LONGEST_MODEL_NAME = 32


@dataclass(frozen=True)
class AttackGroup:
    """The runs of one victim's settings under one attack's settings.

    Attributes:
        task: the task's title, or the name of a file of texts.
        method: the victim's title; if several settings of one title were attacked, with the settings that differ.
        attack: the recipe's title, in the same way.
        label_names: class names by label; empty for a file of texts.
        columns: names of the text columns.
        texts: the attacked texts with their ids; attacks are compared only on the same ones.
        runs: outcomes in the order drawn, by seed, ascending.
        recipe: the recipe's key.
        query_budget: budgets up to which the attack says what it would have done; infinite if no search ran out of
            queries.
        stages: of a cascade, threat model and key of its attacks, in order.
    """

    task: str
    method: str
    attack: str
    label_names: tuple[str, ...]
    columns: tuple[str, ...]
    texts: frozenset[tuple[str, tuple[str, ...]]]
    runs: Mapping[int, Sequence[Outcome]]
    recipe: str = ""
    query_budget: float = math.inf
    stages: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class NamedAttack:
    """A stored attack with unique names of its victim and of itself within the task."""

    result: AttackResult
    method: str
    attack: str


def stored_results(folder: Path) -> tuple[dict[str, TrainingRecord], list[AttackResult]]:
    """The trainings by key, and the attacks, of the store in a folder; nothing is created there.

    Raises:
        UserError: if there is no such folder, or neither a training nor an attack in it.
    """
    hint = "name the one that 'reproduce', 'run' or 'attack' got as --out"
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}; {hint}")
    if not any(next((folder / kind).glob("*/record.json"), None) for kind in ("trainings", "attacks")):
        raise UserError(f"the folder {folder} holds no finished training or attack; {hint}")
    store = Store(folder, writable=False)
    trainings = {record.key: record for record in store.trainings()}
    return trainings, [AttackResult(record, store.outcomes(record.key)) for record in store.attacks()]


def named_attacks(trainings: Mapping[str, TrainingRecord], results: Iterable[AttackResult]) -> list[NamedAttack]:
    """The attacks, partial ones too, with names that distinguish victims and attacks. Tasks, methods and recipes come
    in the order of the tables, others after them."""
    ordered = sorted(results, key=lambda result: _order(result, trainings))
    victims = [_victim(result, trainings) for result in ordered]
    attacks = [_attack(result, trainings) for result in ordered]
    methods = told_apart(
        [(result.record.task, title) for result, (title, _) in zip(ordered, victims, strict=True)],
        [settings for _, settings in victims],
    )
    recipes = told_apart([(result.record.task, result.record.recipe_title) for result in ordered], attacks)
    return [NamedAttack(*each) for each in zip(ordered, methods, recipes, strict=True)]


def attack_groups(trainings: Mapping[str, TrainingRecord], results: Iterable[AttackResult]) -> list[AttackGroup]:
    """The groups of complete and usable attacks, in the order of the tables."""
    gathered: dict[tuple[str, ...], list[AttackResult]] = {}
    for each in named_attacks(trainings, results):
        if each.result.sound:
            gathered.setdefault((each.result.record.task, each.method, each.attack), []).append(each.result)
    return [_group(members, method, recipe, trainings) for (_, method, recipe), members in gathered.items()]


def _group(
    members: Sequence[AttackResult], method: str, attack: str, trainings: Mapping[str, TrainingRecord]
) -> AttackGroup:
    first = members[0].record
    runs = {each.record.seed: each.in_order() for each in sorted(members, key=lambda each: each.record.seed)}
    is_of_task = first.training_key in trainings or "evaluation" in first.identity
    task = TASKS.get(first.task) if is_of_task else None
    return AttackGroup(
        task=task.title if task else first.task,
        method=method,
        attack=attack,
        label_names=task.label_names if task else (),
        columns=task.columns if task else tuple(first.identity.get("columns", ("text",))),
        texts=frozenset((outcome.example_id, outcome.original) for outcome in runs[first.seed]),
        runs=runs,
        recipe=first.recipe,
        query_budget=_query_budget(first.identity.get("recipe"), [each for run in runs.values() for each in run]),
        stages=stages_of(first.identity),
    )


def _query_budget(recipe: Any, outcomes: Iterable[Outcome]) -> float:
    """The least budget of a text on which the attack failed; infinite without one."""
    if not isinstance(recipe, Mapping):
        return math.inf
    bound, each = recipe.get("query_budget") or math.inf, recipe.get("queries_per_word") or math.inf
    return min((min(bound, each * max(1, one.words)) for one in outcomes if one.status == "failed"), default=math.inf)


def _victim(result: AttackResult, trainings: Mapping[str, TrainingRecord]) -> tuple[str, dict[str, Any]]:
    """The victim's title and its identity without the seed."""
    training = trainings.get(result.record.training_key)
    if training is None:
        identity = result.record.identity
        return _end(result.record.defense), {name: identity[name] for name in MODEL_FIELDS if name in identity}
    return training.title, {name: value for name, value in training.identity.items() if name != "seed"}


def _attack(result: AttackResult, trainings: Mapping[str, TrainingRecord]) -> dict[str, Any]:
    """The attack's identity without the victim, and without the seed if that is what distinguishes runs."""
    left_out = {"training"} if result.record.training_key in trainings else {*MODEL_FIELDS, *VICTIM_KEYS, "seed"}
    found = {name: value for name, value in result.record.identity.items() if name not in left_out}
    if "examples" in found:
        found["examples"] = f"{len(result.record.example_ids)} texts {_short(found['examples'])}"
    return found


def told_apart(titles: Sequence[tuple[str, str]], identities: Sequence[Mapping[str, Any]]) -> list[str]:
    """Each title, followed by the settings that distinguish it from others of the same task with this title.

    A setting shared by more than half of them is not named.
    """
    settings = [dict(flat(identity)) for identity in identities]
    bearers: dict[tuple[str, str], list[dict[str, str]]] = {}
    for title, each in zip(titles, settings, strict=True):
        bearers.setdefault(title, []).append(each)
    names = []
    for title, mine in zip(titles, settings, strict=True):
        same = bearers[title]
        told = [
            _setting(name, mine.get(name))
            for name in dict.fromkeys(name for each in same for name in each)
            if 2 * sum(each.get(name) == mine.get(name) for each in same) <= len(same)
        ]
        names.append(f"{title[1]} ({', '.join(told)})" if told else title[1])
    return names


def _setting(name: str, value: str | None) -> str:
    name = name.removeprefix("settings.")
    return f"no {name}" if value is None else f"{name}={_short(value)}"


def _short(value: str) -> str:
    """A hash by its first characters, other values unchanged."""
    is_hash = len(value) == 64 and set(value) <= set("0123456789abcdef")
    return value[:HASH_LETTERS] if is_hash else value


def _end(name: str) -> str:
    """A model's name, or the end of a long path."""
    return name if len(name) <= LONGEST_MODEL_NAME else f"…{name[1 - LONGEST_MODEL_NAME :]}"


def _order(result: AttackResult, trainings: Mapping[str, TrainingRecord]) -> tuple[Any, ...]:
    record = result.record
    places = (
        place(list(TASKS), record.task),
        place(list(TABLE_ORDER), record.defense),
        canonical(_victim(result, trainings)[1]),
        place(list(RECIPES), record.recipe),
    )
    return (*places, canonical(_attack(result, trainings)), record.seed, record.key)


def place(known: Sequence[str], name: str) -> tuple[int, str]:
    """Sort key: known names in their order, then other names alphabetically."""
    return (known.index(name) if name in known else len(known), name)
