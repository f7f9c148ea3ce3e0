"""Attack one victim by TextFooler with several sources of synonyms."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from benchmarks.attacks.recipes import find_recipe
from benchmarks.attacks.synonyms import Synonyms
from benchmarks.data.plain_files import write_atomically
from benchmarks.jobs.attack import attack
from benchmarks.jobs.context import Context
from benchmarks.jobs.fine_tuned import first_fine_tuned
from benchmarks.jobs.resolve import attack_job
from benchmarks.results.records import Outcome
from benchmarks.results.store import Store

INDEX = "synonym_attacks.json"


@dataclass(frozen=True)
class SourceAttack:
    """The outcomes of one attack.

    Attributes:
        task: the attacked task.
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
    context: Context, sources: Mapping[str, Synonyms], tagger: str, say: Callable[[str], None] = lambda line: None
) -> None:
    """Attack the first fine-tuned model of each task with each source; stored attacks are not repeated.

    Args:
        sources: synonyms by name.
        tagger: the name of the source of parts of speech, under which the attacks are listed; see `stored_attacks`.
    """
    recipe = find_recipe("textfooler")
    for task, chosen in context.tasks.items():
        job = first_fine_tuned(context, task, say)
        for name, synonyms in sources.items():
            say(f"{task}: attack with {name}")
            with_source = _with_synonyms(context, task, synonyms)
            record = attack(with_source, attack_job(with_source, job, recipe))
            _list(context.store, tagger, SourceAttack(task, len(chosen.dataset.train), name, record.key, []))


def _with_synonyms(context: Context, task: str, synonyms: Synonyms) -> Context:
    chosen = context.tasks[task]
    changed = replace(chosen, resources=replace(chosen.resources, synonyms=synonyms))
    return replace(context, tasks=context.tasks | {task: changed})


def _list(store: Store, tagger: str, made: SourceAttack) -> None:
    """Add an attack to the folder's list; it replaces an earlier one with the same task, source and tagger."""
    path = store.root / INDEX
    listed = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    about = {"train_texts": made.train_texts, "key": made.key}
    listed.setdefault(tagger, {}).setdefault(made.task, {})[made.source] = about
    write_atomically(path, json.dumps(listed, indent=1) + "\n")


def stored_attacks(store: Store, tagger: str, sources: Sequence[str]) -> list[SourceAttack]:
    """The listed attacks with a tagger and some sources, on every task."""
    path = store.root / INDEX
    listed = json.loads(path.read_text("utf-8")).get(tagger, {}) if path.is_file() else {}
    return [
        SourceAttack(task, about["train_texts"], source, about["key"], store.outcomes(about["key"]))
        for task, attacks in listed.items()
        for source, about in attacks.items()
        if source in sources
    ]
