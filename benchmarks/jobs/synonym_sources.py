"""What a source of synonyms does to TextFooler: one victim attacked with several sources."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from benchmarks.attacks.recipes import find_recipe
from benchmarks.attacks.synonyms import Synonyms
from benchmarks.data.plain_files import write_atomically
from benchmarks.experiments.experiment import cells
from benchmarks.jobs.attack import attack_model
from benchmarks.jobs.resolve import Setup
from benchmarks.jobs.train import train, training_key
from benchmarks.results.records import Outcome
from benchmarks.results.store import Store

INDEX = "synonym_attacks.json"


@dataclass(frozen=True)
class SourceAttack:
    """The outcomes of one attack.

    Attributes:
        task: what was attacked.
        train_texts: how many texts its victim was trained on.
        source: the name of the source of synonyms.
        key: the attack's name in the store.
        outcomes: one for each text.
    """

    task: str
    train_texts: int
    source: str
    key: str
    outcomes: list[Outcome]


def attack_with_sources(
    setup: Setup, sources: Mapping[str, Synonyms], tagger: str, say: Callable[[str], None] = lambda line: None
) -> None:
    """Attack the first fine-tuned model of each task with each source; what is stored already is not redone.

    Args:
        sources: synonyms by name.
        tagger: the name of the source of parts of speech, under which the attacks are listed; see `stored_attacks`.
    """
    recipe = find_recipe("textfooler")
    for task, chosen in setup.tasks.items():
        (cell,) = cells(setup.preset, [task], ["fine_tune"], runs=1)
        training = setup.store.training(training_key(setup, cell))
        if training is None:
            say(f"{task}: training the victim")
            training = train(setup, cell)
        for name, synonyms in sources.items():
            say(f"{task}: attack with {name}")
            record = attack_model(_with_synonyms(setup, task, synonyms), training, recipe)
            _list(setup.store, tagger, SourceAttack(task, len(chosen.dataset.train), name, record.key, []))


def _with_synonyms(setup: Setup, task: str, synonyms: Synonyms) -> Setup:
    chosen = setup.tasks[task]
    changed = replace(chosen, resources=replace(chosen.resources, synonyms=synonyms))
    return replace(setup, tasks=setup.tasks | {task: changed})


def _list(store: Store, tagger: str, attack: SourceAttack) -> None:
    """Names an attack in the folder's list, in place of an earlier one of that task, source and tagger."""
    path = store.root / INDEX
    listed = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    about = {"train_texts": attack.train_texts, "key": attack.key}
    listed.setdefault(tagger, {}).setdefault(attack.task, {})[attack.source] = about
    write_atomically(path, json.dumps(listed, indent=1) + "\n")


def stored_attacks(store: Store, tagger: str, sources: Sequence[str]) -> list[SourceAttack]:
    """The attacks that a folder lists under a tagger: of every task, with each of the sources."""
    path = store.root / INDEX
    listed = json.loads(path.read_text("utf-8")).get(tagger, {}) if path.is_file() else {}
    return [
        SourceAttack(task, about["train_texts"], source, about["key"], store.outcomes(about["key"]))
        for task, attacks in listed.items()
        for source, about in attacks.items()
        if source in sources
    ]
