"""The suite's one command: a verb to a function.

Exit codes: 0 done, 1 failed (of compare: a difference), 2 usage, 3 incomplete (a run diverged or failed, or an attack
broke), 75 interrupted and resumable.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from baselines.refusal import printable, require_file_name
from benchmarks.runs.interruption import raise_interrupt
from benchmarks.runs.options import AttackOptions, Options, split_names

FAILED, USAGE, INCOMPLETE, INTERRUPTED = 1, 2, 3, 75
DIFFERENT = 1

Positional = tyro.conf.Positional
Flat = tyro.conf.OmitArgPrefixes
DEFAULTS = Options()


def reproduce(experiment: Positional[str], options: Flat[Options] = DEFAULTS) -> int:
    """Reproduces a table or figure of the paper: trains, attacks, prints the table, writes it and draws its figures.

    Args:
        experiment: one that `ls experiments` names, such as table1 or figure2, or all.
        options: what to run it on.
    """
    from reports.experiments import report_on
    from reports.figures import missing_library, write_figure
    from reports.overview import overview
    from reports.page.page import write_page

    asked, codes, unfigured = _experiments(experiment, options), [], False
    for each in asked:
        if each.kind == "settings":
            codes.append(_print_settings(each, options))
            continue
        setup, variants, planned = _resolve_experiment(each, options)
        _work_through(setup, planned)
        found = report_on(setup, each, variants)
        codes.append(_show(found.table, setup.store.root, each.key, options.json))
        if missing_library():
            unfigured = unfigured or each.kind != "variants"
            continue
        for name, figure in found.figures().items():
            _say(*map(str, write_figure(figure, setup.store.root, name)))
    if any(each.kind != "settings" for each in asked):
        _say(str(write_page(overview(options.out), options.out)))
        _say(f"verdicts on the paper's claims: earlyrobust report --out {options.out}")
    if unfigured:
        _say(missing_library())
    return max(codes)


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
        set: a hyperparameter as FIELD=VALUE, such as steps=3, search.steps=2, or search=smart for another defense's
            objective there; may be given again for another.
        name: the table's file name.
    """
    from benchmarks.runs.experiments import cells
    from benchmarks.runs.settings import parse_assignments
    from benchmarks.runs.setup import resolve
    from reports.table1 import table_of_run

    require_file_name(name, "--name")
    changes = parse_assignments(set)
    setup = resolve(options)
    planned = cells(setup.preset, list(setup.tasks), [defense], runs=options.runs, settings=changes)
    return _show(table_of_run(setup, _work_through(setup, planned)), setup.store.root, name, options.json)


def attack(options: Flat[AttackOptions]) -> int:
    """Attacks any classifier on a file of labelled texts and prints Clean%, Aua%, ASR% and #Query.

    Args:
        options: what to attack and how.
    """
    from benchmarks.runs.attack_file import resolve_attack, with_calibration
    from benchmarks.runs.progress import Reporter
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
            outcomes.append(attack.run(on_outcome=bar.advance))
    table = attack_table(attacks, outcomes)
    table.print(reporter.console)
    for attack in attacks:
        reporter.say(str(attack.store.outcomes_path(attack.key)))
    if options.json is not None:
        write_json(table, options.json)
    return INCOMPLETE if table.incomplete else 0


def evaluate(
    options: Flat[Options] = DEFAULTS,
    model: str | None = None,
    callable: str | None = None,
    name: str | None = None,
    calibrate: bool = True,
) -> int:
    """Evaluates a finished victim on the suite's tasks: Clean%, the attacks, and both again on calibrated confidence.

    Nothing is trained. Tables of methods made in the same folder on the same texts show the victim as a row.

    Args:
        options: the tasks, the attacks and the folder; as for `reproduce table1`, so that the texts are the same.
        model: folder (pruned ones too) or hub id of a classifier.
        callable: FILE.py:FUNCTION, from a list of texts (or pairs of them) to probabilities, a row per text. The file
            is code and is run.
        name: what its row is called; the folder's or the function's name when left out.
        calibrate: attack it also with its confidence fitted to test texts that are not attacked.
    """
    from benchmarks.runs.evaluation import attack_external, find_external
    from benchmarks.runs.evaluation import evaluate as read_texts
    from benchmarks.runs.progress import Reporter
    from benchmarks.runs.setup import resolve
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
    return _show(table_of_externals(setup), setup.store.root, "externals", options.json)


def report(
    out: Path = Path("results"),
    examples: int = 200,
    paper_numbers: Path | None = None,
    write_into: Path | None = None,
) -> int:
    """Tells from stored results what a table leaves out, and gives a verdict on every claim of the paper.

    All of it goes to one page, index.html, that needs no network. Rates per class, query budgets and agreement go to
    attacks.md, .csv and .json too; the verdicts to claims and what they rest on to claims_parts; published numbers
    beside ours to paper_numbers.

    Args:
        out: the folder of results to read, where these files are written.
        examples: most texts on the page of each attack on each run, in the order drawn; 0 for none.
        paper_numbers: folder with CSV files of published numbers; those that come with the suite when left out.
        write_into: document whose blocks between markers are filled with this folder's tables.
    """
    from reports.attack_report import check_examples, print_report, write_report
    from reports.budgets import draw_budgets
    from reports.card import print_card, write_card
    from reports.documents import write_into as fill_blocks
    from reports.figures import missing_library, write_figure
    from reports.overview import overview
    from reports.page.page import write_page
    from reports.tables import write_table

    check_examples(examples)
    found = overview(out, paper_numbers)
    console = Console()
    if found.attacks is not None:
        print_report(found.attacks, console, examples)
    if found.gaps.rows:
        found.gaps.without("source").print(console)
    print_card(found.card, console)
    if found.attacks is None:
        _say("no attack is finished in this folder: its rates, budgets and texts are left out")
    else:
        _say(*map(str, write_report(found.attacks, out)))
        _say(missing_library() or " ".join(map(str, write_figure(draw_budgets(found.attacks.curves), out, "budgets"))))
    _say(*map(str, [*write_card(found.card, out, found.sources), *write_table(found.gaps, out, "paper_numbers")]))
    if write_into is not None:
        _say(f"{write_into}: {', '.join(fill_blocks(write_into, out))}")
    _say(str(write_page(found, out, examples)))
    return INCOMPLETE if found.attacks is not None and found.attacks.table.incomplete else 0


def compare(first: Positional[Path], second: Positional[Path], json: Path | None = None) -> int:
    """Compares two folders of results cell by cell, with intervals; ends with 1 where a difference is outside its own.

    Clean%, Aua% and #Query decide; times are shown where they may be compared, and do not.

    Args:
        first: folder A, which 'reproduce', 'run' or 'attack' got as --out.
        second: folder B; differences are B less A.
        json: file for the printed table as JSON.
    """
    from reports.compare import compare as compare_folders
    from reports.tables import write_json

    found = compare_folders(first, second)
    found.table.print(Console())
    _say(f"{found.differing} differences outside their intervals")
    if json is not None:
        write_json(found.table, json)
    return DIFFERENT if found.differing else 0


def plan(experiment: Positional[str], options: Flat[Options] = DEFAULTS) -> int:
    """Prints what `reproduce` would do, what is stored already, and how long the rest is likely to take.

    Args:
        experiment: one that `ls experiments` names, or all.
        options: what to run it on.
    """
    from benchmarks.runs.explain import stored_otherwise
    from benchmarks.runs.plan import make_plan

    chosen = _experiments(experiment, options)
    seen: list[object] = []
    for each in chosen:
        if each.kind == "settings":
            _say(f"{each.key}: trains nothing")
            continue
        setup, _, planned = _resolve_experiment(each, options)
        fresh = [cell for cell in planned if cell not in seen]
        seen += fresh
        head = f"{each.key}: " if len(chosen) > 1 else ""
        shared = len(planned) - len(fresh)
        also = f"; {shared} cells are those of experiments above" if shared else ""
        work = make_plan(setup, fresh)
        _say(f"{head}{setup.chosen}{also}", *work.lines(), *stored_otherwise(setup, work))
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
            BERT-base's shape with random weights), loops (each method's update against the plain one of its release) or
            executors (cells a minute in one process, in two, and on Ray, on the CPU).
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
    elif what == "executors":
        from benchmarks.speed.executor_speed import time_executors
        from reports.speed import executor_table

        table = executor_table(time_executors(options, say=reporter.say))
    else:
        raise unknown("benchmark", what, ("attacks", "steps", "loops", "executors"))
    table.print(reporter.console)
    for path in write_table(table, options.out, f"bench_{what}"):
        reporter.say(str(path))
    if options.json is not None:
        write_json(table, options.json)
    return 0


def regress(references: Path | None = None, defenses: str | None = None, update: bool = False) -> int:
    """Compares a small training and its attacks, text by text, with stored references; any difference fails.

    Args:
        references: folder with a JSON file per defense; the suite's own when left out.
        defenses: defenses by name or as paths of Python files, separated by commas; all with a reference when left out.
        update: make the references anew instead, and say what changed.
    """
    from benchmarks.regression.check import check
    from benchmarks.regression.check import update as make_anew

    if update:
        make_anew(references, defenses, _say)
        return 0
    found = check(references, defenses, _say)
    _say(*(f"{each.defense}: {line}" for each in found for line in each.differences))
    return FAILED if any(each.differences for each in found) else 0


def doctor(out: Path = Path("results"), timing: bool = False, device: str = "auto", json: Path | None = None) -> int:
    """Looks at what a run needs of this machine; with --timing, tests the clock by planted faults.

    Args:
        out: the folder results would go to.
        timing: plant a sleeping loader, a read-back and a second process, and time one method under two names.
        device: cpu, cuda, or auto; for --timing.
        json: file for the printed table as JSON.
    """
    from reports.doctor import findings_table, self_test_table

    if timing:
        from benchmarks.runs.setup import choose_device
        from benchmarks.speed.self_test import same_method_twice, self_tests

        chosen = choose_device(device)
        table = self_test_table(self_tests(chosen), *same_method_twice(chosen, _say))
        failed = any(row["passed"] == "no" for row in table.records())
    else:
        from benchmarks.runs.doctor import examine

        table = findings_table(examine(out))
        failed = any(row["state"] == "failed" for row in table.records())
    _print_listing(table, json)
    return FAILED if failed else 0


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


def evidence(
    out: Path = Path("evidence"),
    minutes: float = 9.0,
    bundle_sent: Annotated[Path | None, tyro.conf.arg(name="from")] = None,
    only: str | None = None,
    device: str = "auto",
    bundle: Path | None = None,
    data: Path | None = None,
    synonyms: Path | None = None,
    nltk_data: Path | None = None,
) -> int:
    """Gathers on a GPU, in a given time and without a network, what the suite says of its speed and Table 1.

    With --bundle it does nothing but pack what such a machine needs. The same command with the same --out goes on; on
    a CPU a tiny version runs, which shows that the command works. See docs/evidence.md.

    Args:
        out: folder for records, tables, figures and the page.
        minutes: the time there is; parts that do not fit are left out and come first in the next call.
        bundle_sent: a folder that --bundle made; without it Table 1 is on generated texts.
        only: parts, separated by commas; all, in order of importance, when left out.
        device: cpu, cuda, or auto.
        bundle: a new folder to pack into: the backbone in half precision, --data, --synonyms, packages.
        data: what --bundle packs: the folder that holds sst2/.
        synonyms: what --bundle packs: a file with a word's neighbours (JSON, word to list, may be gzipped).
        nltk_data: what --bundle packs: a folder with NLTK's tagger and stop words.
    """
    if bundle is not None:
        return _pack(bundle, data, synonyms, nltk_data)
    for name, value in (("data", data), ("synonyms", synonyms), ("nltk-data", nltk_data)):
        if value is not None:
            raise ValueError(f"--{name} is packed by --bundle and was given without it; give --bundle DIR too")
    from benchmarks.device.study import chosen_parts, place_for, work_through
    from reports.device_page import write_evidence

    parts = chosen_parts(None if only is None else split_names(only, ()))
    place = place_for(out, bundle_sent, device)
    records = work_through(place, parts, minutes, _say)
    _say(str(write_evidence(place)[-1]))
    if any(record.status == "failed" for record in records):
        return FAILED
    return INTERRUPTED if any(record.status == "left out" for record in records) else 0


def _pack(bundle: Path, data: Path | None, synonyms: Path | None, nltk_data: Path | None) -> int:
    """Packs what a machine without a network needs, and says how large its parts are."""
    from benchmarks.device.bundle import pack

    if data is None:
        raise ValueError("--bundle packs real texts; give --data DIR, which holds sst2/")
    packed = pack(bundle, data, synonyms=synonyms, nltk_data=nltk_data)
    _say(*(f"{part}: {size / 1e6:.1f} MB" for part, size in packed.sizes().items()))
    _say(f"{bundle}: {sum(packed.files.values()) / 1e6:.1f} MB in {len(packed.files)} files")
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


def export(
    out: Positional[Path],
    to: Path,
    defense: str | None = None,
    task: str | None = None,
    seed: int | None = None,
    key: str | None = None,
) -> int:
    """Writes a trained model of a folder of results, its tokenizer and a card with its numbers into a new folder.

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

    _say(*map(str, write_model(out, to, defense, task, seed, key)))
    return 0


def scale(
    tflops: float,
    gpus: str = "1,8,64",
    gpus_per_machine: int = 8,
    document: Path | None = None,
    json: Path | None = None,
) -> int:
    """Predicts hours of every preset on several numbers of GPUs from the cost model; nothing is measured.

    Args:
        tflops: what one GPU sustains, in 10^12 FLOPs a second: the assumption all hours rest on.
        gpus: numbers of GPUs, separated by commas.
        gpus_per_machine: GPUs of one machine; a block, one seed of a task, stays on one.
        document: a Markdown file with marks, between which the table is put.
        json: file for the printed table as JSON.
    """
    from benchmarks.runs.settings import convert
    from reports.scale import scale_table, write_into

    table = scale_table(tflops, [convert(each, int, "--gpus") for each in split_names(gpus, ())], gpus_per_machine)
    if document is not None:
        write_into(document, table)
    return _print_listing(table, json)


def new_defense(name: Positional[str], out: Path = Path(".")) -> int:
    """Writes a working defense to start from, its test and its card; overwrites nothing.

    Args:
        name: what to call it, in snake case.
        out: folder for the three files.
    """
    from benchmarks.contract.scaffold import new_defense as write_files

    paths = write_files(name, out)
    _say(*map(str, paths), f"next: earlyrobust check {paths[0]}")
    return 0


def check(defense: Positional[str], json: Path | None = None) -> int:
    """Holds a defense to the contract, on a two-layer model; ends with 1 where a check fails.

    Args:
        defense: the path of a Python file that defines one, which is code and is run; or a known defense.
        json: file for the printed table as JSON.
    """
    from benchmarks.contract import verdicts
    from benchmarks.runs.defenses import find_defense
    from reports.contract import contract_table

    kind = find_defense(defense)
    table = contract_table(defense, list(verdicts(kind)))
    _print_listing(table, json)
    return FAILED if table.incomplete else 0


def ls(what: Positional[str] = "defenses", json: Path | None = None) -> int:
    """Lists what the suite knows.

    Args:
        what: defenses, tasks, recipes, presets, experiments or evidence (its parts).
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


def paper_index(to: Positional[Path]) -> int:
    """Writes where each method and each of its hyperparameters is from, as a page of the documentation.

    Args:
        to: file to write, in Markdown.
    """
    from benchmarks.results.store import write_atomically
    from reports.paper_index import paper_index as page

    write_atomically(to, page())
    _say(str(to))
    return 0


def diff_recipes(first: Positional[str], second: Positional[str], json: Path | None = None) -> int:
    """Prints the parts in which two recipes differ.

    Args:
        first: a recipe.
        second: another recipe.
        json: file for the same content as JSON.
    """
    from reports.listings import recipe_differences

    return _print_listing(recipe_differences(first, second), json)


def _experiments(name: str, options: Options):
    """The experiments called for.

    Raises:
        ValueError: for an unknown name, or options that mean one experiment where all are asked for.
    """
    from benchmarks.runs.catalogue import find_experiments

    found = find_experiments(name)
    if len(found) > 1:
        for option in ("defenses", "variants", "json"):
            if getattr(options, option) is not None:
                raise ValueError(
                    f"--{option} is for one experiment, and 'all' was asked for; name one of them or leave it out"
                )
    return found


def _resolve_experiment(experiment, options: Options):
    """The run's surroundings, the experiment's variants and their cells."""
    from benchmarks.runs.experiments import variant_cells
    from benchmarks.runs.setup import resolve

    setup = resolve(options, experiment=experiment)
    variants = experiment.chosen(options, setup.preset)
    return setup, variants, variant_cells(setup.preset, list(setup.tasks), variants, runs=options.runs)


def _print_settings(experiment, options: Options) -> int:
    """Prints and writes the table of an experiment that trains nothing."""
    from benchmarks.runs.presets import find_preset
    from benchmarks.runs.setup import choose_device
    from reports.hyperparameters import hyperparameter_table

    on_gpu = choose_device(options.device) == "cuda"
    preset, chosen = find_preset(options.preset, has_cuda=on_gpu, has_assets=options.assets is not None)
    _say(chosen)
    tasks = split_names(options.tasks, experiment.tasks)
    return _show(hyperparameter_table(experiment, preset, options, tasks), options.out, experiment.key, options.json)


def _work_through(setup, planned) -> list:
    """Plans and executes; returns the trainings."""
    from benchmarks.runs.execute import execute
    from benchmarks.runs.explain import stored_otherwise
    from benchmarks.runs.plan import make_plan
    from benchmarks.runs.progress import Reporter

    tracker = setup.options.track
    if tracker is not None:
        from reports.trackers import library_of, track

        library_of(tracker)  # its absence is told before the work
    reporter = Reporter(Console())
    for line in (setup.chosen, *setup.store.quarantine()):
        reporter.say(line)
    work = make_plan(setup, planned)
    for line in (*work.lines(), *stored_otherwise(setup, work)):
        reporter.say(line)
    trained = execute(setup, work, reporter)
    if tracker is not None:
        _say(f"{track(setup, tracker, trained)} runs logged to {tracker}")
    return trained


def _show(table, folder: Path, name: str, json: Path | None) -> int:
    """Prints a table, writes it and names its files."""
    from reports.tables import write_json, write_table

    console = Console()
    console.print()
    table.print(console)
    _say(*map(str, write_table(table, folder, name)))
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
        print(printable(line))


VERBS = {
    "reproduce": reproduce,
    "run": run,
    "attack": attack,
    "evaluate": evaluate,
    "bench": bench,
    "regress": regress,
    "report": report,
    "compare": compare,
    "plan": plan,
    "doctor": doctor,
    "prepare": prepare,
    "evidence": evidence,
    "verify": verify,
    "export": export,
    "scale": scale,
    "new-defense": new_defense,
    "check": check,
    "ls": ls,
    "show": show,
    "diff-recipes": diff_recipes,
    "paper-index": paper_index,
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
    except BrokenPipeError:  # whoever read the output has enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = FAILED
    except KeyboardInterrupt:
        print("earlyrobust: interrupted; the same command continues where it stopped", file=sys.stderr)
        code = INTERRUPTED
    sys.exit(code)


def _say_error(error: Exception) -> None:
    print(f"earlyrobust: {printable(' '.join(str(error).split()))}", file=sys.stderr)


if __name__ == "__main__":
    main()
