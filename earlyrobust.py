"""The suite's one command: a verb to a function.

Exit codes: 0 done, 1 failed, 2 usage, 3 incomplete (a run diverged or an attack broke), 75 interrupted and resumable.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import tyro
from rich.console import Console

from benchmarks.runs.interruption import raise_interrupt
from benchmarks.runs.options import AttackOptions, Options, split_names

FAILED, USAGE, INCOMPLETE, INTERRUPTED = 1, 2, 3, 75

Positional = tyro.conf.Positional
Flat = tyro.conf.OmitArgPrefixes
DEFAULTS = Options()


def reproduce(experiment: Positional[str], options: Flat[Options] = DEFAULTS) -> int:
    """Reproduces a table or figure of the paper: trains, attacks, prints the table and writes it to files.

    Args:
        experiment: table1.
        options: what to run it on.
    """
    setup, planned = _resolve_experiment(experiment, options)
    return _run_and_report(setup, planned, experiment, options.json)


def run(
    options: Flat[Options] = DEFAULTS,
    defense: str = "early_robust",
    set: tyro.conf.UseAppendAction[tuple[str, ...]] = (),
    name: str = "run",
) -> int:
    """Runs one defense, any number of seeds, into the same records and tables.

    Args:
        options: what to run it on.
        defense: a known defense, or the path of a Python file that defines one. Such a file is code and is run.
        set: a hyperparameter as FIELD=VALUE, such as steps=3 or search.steps=2; may be given again for another.
        name: the table's file name.
    """
    from benchmarks.runs.experiments import cells
    from benchmarks.runs.settings import parse_assignments
    from benchmarks.runs.setup import resolve

    changes = parse_assignments(set)
    setup = resolve(options)
    planned = cells(setup.preset, list(setup.tasks), [defense], runs=options.runs, settings=changes)
    return _run_and_report(setup, planned, name, options.json)


def attack(options: Flat[AttackOptions]) -> int:
    """Attacks any classifier on a file of labelled texts and prints Clean%, Aua%, ASR% and #Query.

    Args:
        options: what to attack and how.
    """
    from benchmarks.runs.attack_file import resolve_attack
    from benchmarks.runs.progress import Reporter
    from reports.attacked import attack_table
    from reports.tables import write_json

    prepared = resolve_attack(options)
    reporter = Reporter(Console())
    for line in prepared.store.quarantine():
        reporter.say(line)
    stored = len(prepared.stored())
    reporter.say(f"{len(prepared.examples)} texts, {stored} attacked already")
    with reporter.work(f"{prepared.recipe.title}, texts", len(prepared.examples)) as bar:
        bar.advance(stored)
        outcomes = prepared.run(on_outcome=bar.advance)
    table = attack_table(prepared, outcomes)
    table.print(reporter.console)
    reporter.say(str(prepared.store.outcomes_path(prepared.key)))
    if options.json is not None:
        write_json(table, options.json)
    return INCOMPLETE if table.incomplete else 0


def report(out: Path = Path("results"), examples: int = 5) -> int:
    """Tells from stored attacks what a table leaves out: rates per class, query budgets, agreement, changed words.

    Args:
        out: the folder of results to read, where attacks.html, .md, .csv and .json are written.
        examples: most attacked texts shown on the page per defense and recipe; 0 for none.
    """
    from reports.attack_report import check_examples, print_report, report_on, write_report

    check_examples(examples)
    found = report_on(out)
    console = Console()
    print_report(found, console, examples)
    _say(*map(str, write_report(found, out, examples)))
    return INCOMPLETE if found.table.incomplete else 0


def plan(experiment: Positional[str], options: Flat[Options] = DEFAULTS) -> int:
    """Prints what `reproduce` would do, what is stored already, and how long the rest is likely to take.

    Args:
        experiment: table1.
        options: what to run it on.
    """
    from benchmarks.runs.plan import make_plan

    setup, planned = _resolve_experiment(experiment, options)
    _say(setup.chosen, *make_plan(setup, planned).lines())
    return 0


def bench(
    what: Positional[str],
    options: Flat[Options] = DEFAULTS,
    words: tuple[int, int] | None = None,
    skip_padded: bool = False,
    updates: int = 5,
) -> int:
    """Times the suite's own parts against what they replace, and prints the ratios.

    Args:
        what: attacks (the engine against TextAttack), steps (each method's update against its predicted cost, in
            BERT-base's shape with random weights) or loops (each method's update against the plain one of its release).
        options: what to time it on; --attacked texts under each recipe.
        words: attacks: least and most words of a text.
        skip_padded: attacks: leave out TextAttack as shipped, which pads every text and takes most of the time.
        updates: steps, loops: timed updates of each method.
    """
    from baselines.refusal import require, unknown
    from benchmarks.runs.progress import Reporter
    from reports.tables import write_json, write_table

    require(updates >= 1, "--updates", "1 or more", updates)
    reporter = Reporter(Console())
    if what == "attacks":
        from benchmarks.speed.attack_speed import WAYS
        from benchmarks.speed.bench import bench_attacks
        from reports.speed import speed_table

        found = bench_attacks(options, words=words, ways=WAYS[2:] if skip_padded else WAYS, say=reporter.say)
        table = speed_table(found)
    elif what == "steps":
        from benchmarks.speed.bench import bench_steps
        from reports.speed import step_table

        table = step_table(*bench_steps(options, updates=updates, say=reporter.say))
    elif what == "loops":
        from benchmarks.speed.bench import bench_loops
        from reports.speed import loop_table

        table = loop_table(*bench_loops(options, updates=updates, say=reporter.say))
    else:
        raise unknown("benchmark", what, ("attacks", "steps", "loops"))
    table.print(reporter.console)
    for path in write_table(table, options.out, f"bench_{what}"):
        reporter.say(str(path))
    if options.json is not None:
        write_json(table, options.json)
    return 0


def prepare(assets: Path, only: str | None = None, offline: bool = False, json: Path | None = None) -> int:
    """Fetches what the full attack profile needs, once, and checks every file by its hash.

    Args:
        assets: folder for the files; what is there already is only checked, a broken download goes on.
        only: resources, separated by commas: synonyms, sentence_encoder, part_of_speech, stop_words, masked_model.
        offline: fetch and write nothing; what is missing is named.
        json: file for the printed table as JSON.
    """
    from benchmarks.attacks.downloads import DOWNLOADS, assets_of, require_assets
    from benchmarks.data.assets import fetch
    from reports.listings import asset_listing

    names = split_names(only, tuple(DOWNLOADS))
    wanted = assets_of(names)
    if not offline:
        for asset in wanted:
            _say(f"{asset.key}: {asset.url}")
            fetch(asset, assets)
    _print_listing(asset_listing(wanted, assets), json)
    require_assets(assets, names)
    return 0


def verify(out: Positional[Path] = Path("results"), json: Path | None = None) -> int:
    """Holds a folder of results to what it says of itself: hashes, keys, completeness, every number derived anew.

    Changes nothing. Exit code 1 where something is wrong or unfinished.

    Args:
        out: the folder of results.
        json: file for the printed table as JSON.
    """
    from reports.tables import write_json
    from reports.verified import verified

    table = verified(out)
    if table.incomplete:
        table.print(Console())
    else:
        _say(*table.caption)
    if json is not None:
        write_json(table, json)
    return FAILED if table.incomplete else 0


def ls(what: Positional[str] = "defenses", json: Path | None = None) -> int:
    """Lists what the suite knows.

    Args:
        what: defenses, tasks, recipes, presets or experiments.
        json: file for the same content as JSON.
    """
    from reports.listings import listing

    return _print_listing(listing(what), json)


def show(name: Positional[str], task: str | None = None, json: Path | None = None) -> int:
    """Shows one defense with its hyperparameters, or one recipe with its parts.

    Args:
        name: a defense or a recipe.
        task: a task, for the settings the defense has there.
        json: file for the same content as JSON.
    """
    from reports.listings import details

    return _print_listing(details(name, task), json)


def diff_recipes(first: Positional[str], second: Positional[str], json: Path | None = None) -> int:
    """Prints the parts in which two recipes differ.

    Args:
        first: a recipe.
        second: another recipe.
        json: file for the same content as JSON.
    """
    from reports.listings import recipe_differences

    return _print_listing(recipe_differences(first, second), json)


def _resolve_experiment(experiment: str, options: Options):
    """The run's surroundings and the experiment's cells."""
    from benchmarks.runs.experiments import TABLE_ORDER, cells, find_experiment
    from benchmarks.runs.setup import resolve

    find_experiment(experiment)
    setup = resolve(options)
    defenses = split_names(options.defenses, TABLE_ORDER)
    return setup, cells(setup.preset, list(setup.tasks), defenses, runs=options.runs)


def _run_and_report(setup, planned, name: str, json: Path | None) -> int:
    """Plans, executes, prints the table and names its files."""
    from benchmarks.runs.execute import execute
    from benchmarks.runs.plan import make_plan
    from benchmarks.runs.progress import Reporter
    from reports.table1 import table_of_run
    from reports.tables import write_json, write_table

    reporter = Reporter(Console())
    for line in (setup.chosen, *setup.store.quarantine()):
        reporter.say(line)
    work = make_plan(setup, planned)
    for line in work.lines():
        reporter.say(line)
    trained = execute(setup, work, reporter)
    table = table_of_run(setup, trained)
    reporter.console.print()
    table.print(reporter.console)
    for path in write_table(table, setup.store.root, name):
        reporter.say(str(path))
    if json is not None:
        write_json(table, json)
    return INCOMPLETE if table.incomplete else 0


def _print_listing(table, json: Path | None) -> int:
    from reports.tables import write_json

    table.print(Console())
    if json is not None:
        write_json(table, json)
    return 0


def _say(*lines: str) -> None:
    for line in lines:
        print(line)


VERBS = {
    "reproduce": reproduce,
    "run": run,
    "attack": attack,
    "bench": bench,
    "report": report,
    "plan": plan,
    "prepare": prepare,
    "verify": verify,
    "ls": ls,
    "show": show,
    "diff-recipes": diff_recipes,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """The command's entry: runs a verb and ends the process with its exit code."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    signal.signal(signal.SIGTERM, raise_interrupt)
    try:
        code = tyro.extras.subcommand_cli_from_dict(
            VERBS, args=arguments, prog="earlyrobust", description=__doc__, config=(tyro.conf.HelptextFromCommentsOff,)
        )
    except ValueError as mistake:
        _say_error(mistake)
        code = USAGE
    except RuntimeError as failure:
        _say_error(failure)
        code = FAILED
    except KeyboardInterrupt:
        print("earlyrobust: interrupted; the same command continues where it stopped", file=sys.stderr)
        code = INTERRUPTED
    sys.exit(code)


def _say_error(error: Exception) -> None:
    print(f"earlyrobust: {' '.join(str(error).split())}", file=sys.stderr)


if __name__ == "__main__":
    main()
