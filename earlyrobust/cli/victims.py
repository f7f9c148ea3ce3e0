"""Verbs on finished models: attack one on any texts, evaluate it on the suite's tasks, take it out of a folder."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from benchmarks.experiments.options import DEFAULTS, AttackOptions, Options
from earlyrobust.cli.answers import INCOMPLETE, keep_table, say


def attack(options: AttackOptions) -> int:
    """Attack any classifier on a file of labelled texts.

    Prints Clean %, Aua %, ASR % and #Query.

    Args:
        options: what to attack and how.
    """
    from benchmarks.executors.progress import Reporter
    from benchmarks.jobs.attack_file import resolve_attack, with_calibration
    from reports.attacked import attack_table
    from reports.tables import write_json

    prepared = resolve_attack(options)
    attacks = [prepared] if options.calibrate is None else with_calibration(prepared, options)
    reporter = Reporter(Console())
    for line in prepared.store.quarantine():
        reporter.say(line)
    outcomes = []
    for attack in attacks:
        stored = len(attack.stored())
        reporter.say(f"{len(attack.examples)} texts, {stored} attacked already")
        with reporter.work(f"{attack.recipe.title}, texts", len(attack.examples)) as bar:
            bar.advance(stored)
            outcomes.append(attack.run(bar.advance, lambda queries: bar.advance(0, queries=queries)))
    table = attack_table(attacks, outcomes)
    table.print(reporter.console)
    for attack in attacks:
        reporter.say(str(attack.store.outcomes_path(attack.key)))
    if options.json is not None:
        write_json(table, options.json)
    return INCOMPLETE if table.incomplete else 0


def evaluate(
    options: Options = DEFAULTS,
    *,
    model: str | None = None,
    callable: str | None = None,
    name: str | None = None,
    calibrate: bool = True,
) -> int:
    """Evaluate a finished classifier on the suite's tasks; nothing is trained.

    Prints Clean % and the attacks, and both again on calibrated confidence. Tables of methods made in the same
    folder on the same texts show the victim as a row.

    Args:
        options: the tasks, the attacks and the folder; as for `reproduce table1`, so that the texts are the same.
        model: folder (pruned ones too) or hub id of a classifier.
        callable: FILE.py:FUNCTION, from a list of texts (or pairs of them) to probabilities, a row per text. The file
            is code and is run.
        name: what its row is called; the folder's or the function's name when left out.
        calibrate: attack it also with its confidence fitted to test texts that are not attacked.
    """
    from benchmarks.executors.progress import Reporter
    from benchmarks.jobs.evaluate import attack_external, find_external
    from benchmarks.jobs.evaluate import evaluate as read_texts
    from benchmarks.jobs.resolve import resolve
    from reports.table1 import table_of_externals

    setup = resolve(options)
    external = find_external(model, callable, name, device=setup.device, offline=options.offline)
    reporter = Reporter(Console())
    for line in (setup.chosen, *setup.store.quarantine()):
        reporter.say(line)
    for task, chosen in setup.tasks.items():
        for record in read_texts(setup, external, task, calibrate=calibrate):
            for recipe in setup.recipes:
                with reporter.work(f"{task} {record.title}: {recipe.title}, texts", len(chosen.attacked)) as bar:
                    attack_external(setup, external, record, recipe, bar.advance)
    return keep_table(table_of_externals(setup), setup.store.root, "externals", options.json)


def export(
    out: Path,
    *,
    to: Path,
    defense: str | None = None,
    task: str | None = None,
    seed: int | None = None,
    key: str | None = None,
) -> int:
    """Write a trained model, its tokenizer and a card with its numbers into a new folder.

    Unpruned models open with transformers alone, pruned ones with the suite's loader; 'attack' takes both.

    Args:
        out: the folder of results.
        to: folder to write; new or empty.
        defense: which training, by its defense; what is left out may be anything, so long as one training is meant.
        task: likewise, by its task.
        seed: likewise, by its seed.
        key: likewise, by how its key begins.
    """
    from reports.model_card import export as write_model

    say(*map(str, write_model(out, to, defense, task, seed, key)))
    return 0
