"""What a source of synonyms does to TextFooler: one victim attacked with several sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from benchmarks.attacks.recipes import find_recipe
from benchmarks.attacks.synonyms import Synonyms
from benchmarks.experiments.experiment import cells
from benchmarks.jobs.attack import attack_model
from benchmarks.jobs.resolve import Setup
from benchmarks.jobs.train import train, training_key
from benchmarks.results.records import Outcome


@dataclass(frozen=True)
class SourceAttack:
    """The outcomes of one attack.

    Attributes:
        task: what was attacked.
        source: the name of the source of synonyms.
        outcomes: one for each text.
    """

    task: str
    source: str
    outcomes: list[Outcome]


def attack_with_sources(
    setup: Setup, sources: Mapping[str, Synonyms], say: Callable[[str], None] = lambda line: None
) -> list[SourceAttack]:
    """Attacks the first fine-tuned model of each task with each source; what is stored already is not redone.

    Args:
        sources: synonyms by name.
    """
    recipe = find_recipe("textfooler")
    found = []
    for task in setup.tasks:
        (cell,) = cells(setup.preset, [task], ["fine_tune"], runs=1)
        training = setup.store.training(training_key(setup, cell))
        if training is None:
            say(f"{task}: training the victim")
            training = train(setup, cell)
        for name, synonyms in sources.items():
            say(f"{task}: attack with {name}")
            with_source = _with_synonyms(setup, task, synonyms)
            record = attack_model(with_source, training, recipe)
            found.append(SourceAttack(task, name, setup.store.outcomes(record.key)))
    return found


def _with_synonyms(setup: Setup, task: str, synonyms: Synonyms) -> Setup:
    chosen = setup.tasks[task]
    changed = replace(chosen, resources=replace(chosen.resources, synonyms=synonyms))
    return replace(setup, tasks=setup.tasks | {task: changed})
