"""Table 1: Clean%, Aua% and #Query per method and attack, training time, speedups, parameters kept."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from baselines.defense import Passes
from baselines.validation import UserError
from benchmarks.clock.cost import epoch_units, update_units
from benchmarks.data.tasks import title_of
from benchmarks.experiments.defenses import TABLE_ORDER, find_defense, tree_defenses
from benchmarks.experiments.settings import with_settings
from benchmarks.jobs.provenance import Provenance
from benchmarks.results.metrics import BROKEN_PERCENT, too_many_broke, worst_aua_percent
from benchmarks.results.records import TrainingRecord
from benchmarks.results.store import Store
from reports.external import ExternalResult, external_caption, external_cells, external_results
from reports.frame import (
    AttackResult,
    attack_frame,
    broken_note,
    conditions,
    counted_seconds,
    keys_of,
    schedule_of,
    starved_notes,
    training_frame,
)
from reports.guards import ANSWER_COST, cost_cells, cost_columns, guard_caption, guard_cells, guard_columns
from reports.statistics import require_comparable, summarise, time_ratio
from reports.suspicions import suspicion_notes
from reports.tables import Column, FileColumn, Number, Table

COMPARED = ("fine_tune", "pgd", "freelb", "info_bert", "robust_ticket")


WORST = Column("Worst Aua %", "worst_aua_percent")
TITLE = "Table 1: clean accuracy, accuracy under attack, queries and training time"


def table_of_externals(store: Store, origin: Provenance) -> Table:
    """The table of all external victims in a store."""
    externals = external_results(store, origin)
    table = external_table(externals, origin.recipes)
    signs = suspicion_notes(store, (), [each.record for each in externals])
    return replace(table, caption=(*provenance(origin, []), *external_caption(externals), *signs))


def external_table(externals: Sequence[ExternalResult], recipes: dict[str, str]) -> Table:
    """External victims, without the columns about training.

    Args:
        recipes: titles by key, in the order of the columns.
    """
    table = table1([], [], recipes, (), "Victims from outside", externals)
    training = [column.key for column in table.columns[3 + 2 * len(recipes) :]]
    measured = table.without(*training)
    screen = table.on_screen and table.on_screen.without(*training)
    return replace(measured, on_screen=screen, sources={**(table.sources or {}), "kind": "externals"})


def table1(
    trained: Sequence[TrainingRecord],
    attacks: Sequence[AttackResult],
    recipes: dict[str, str],
    caption: Sequence[str],
    title: str = TITLE,
    externals: Sequence[ExternalResult] = (),
) -> Table:
    """One row per task and method, then per external victim; a cell without a complete measurement is blank.

    Args:
        recipes: titles by key, in the order of the columns.
        externals: victims that were trained elsewhere, without training times and sizes.
    """
    runs, attacked = training_frame(trained), attack_frame(attacks)
    shown = [key for key in COMPARED if key in set(runs.defense)]
    titles = {record.defense: record.title for record in trained}
    columns = [Column("Task", "task", False), Column("Method", "method", False), Column("Clean %", "clean_percent")]
    for key, attack in recipes.items():
        columns += [
            Column(f"{attack} Aua %", f"{key}_aua_percent"),
            FileColumn(f"{attack} #Query", f"{key}_queries"),
        ]
    columns.append(Column("Training s", "training_seconds"))
    for key in shown:
        columns.append(FileColumn(f"Speedup over {titles[key]}", f"speedup_over_{key}"))
    columns += [
        FileColumn("Predicted cost", "predicted_fine_tuning_costs"),
        Column("Measured cost", "measured_fine_tuning_costs"),
    ]
    of_answers, of_guards = cost_columns(trained), guard_columns(recipes, attacks)
    columns += of_answers
    columns += [FileColumn("Kept %", "parameters_kept_percent"), FileColumn("Runs", "runs"), *of_guards]
    rows, worst = [], []
    for task in dict.fromkeys([*(record.task for record in trained), *(each.record.task for each in externals)]):
        for defense in sorted(set(runs.defense[runs.task == task]), key=_order):
            mine = [record for record in trained if (record.task, record.defense) == (task, defense)]
            own = [each for each in attacks if (each.record.task, each.record.defense) == (task, defense)]
            row = _row(task, mine, trained, runs, attacked, list(recipes), shown, of_answers)
            rows.append((*row, *guard_cells(of_guards, own)))
            worst.append(_worst([[each for each in own if each.record.seed == seed] for seed in _seeds(own)], recipes))
        for each in externals:
            if each.record.task == task:
                cells = external_cells(each, list(recipes))
                rows.append((*cells, *[Number(math.nan)] * (len(columns) - len(cells))))
                worst.append(_worst([list(each.attacks.values())], recipes))
    planned = sum(record.status == "finished" for record in trained) * len(recipes)
    complete = len(attacked) == planned and all(record.status == "finished" for record in trained)
    broken = int(attacked.errors.sum()) if len(attacked) else 0
    broken += sum(each.broken for each in externals)
    return Table(
        title,
        tuple(columns),
        tuple(rows),
        tuple(caption),
        on_screen=_for_a_terminal(columns, rows, worst, list(recipes)),
        incomplete=not complete or broken > 0,
        sources={
            "kind": "methods",
            "recipes": recipes,
            **keys_of(trained, attacks),
            "evaluations": [each.record.key for each in externals],
        },
    )


def _seeds(attacks: Sequence[AttackResult]) -> list[int]:
    return sorted({each.record.seed for each in attacks})


def _worst(by_seed: Sequence[Sequence[AttackResult]], recipes: Sequence[str]) -> Number:
    """Aua % under the worst of all attacks on a text, over the seeds with all of them."""
    found = []
    for attacks in by_seed:
        sound = [each for each in attacks if each.sound]
        if sorted(each.record.recipe for each in sound) == sorted(recipes):
            same_texts = len({tuple(sorted(each.record.example_ids)) for each in sound}) == 1
            found += [worst_aua_percent(each.outcomes for each in sound)] if same_texts else []
    return _number(found)


def _for_a_terminal(
    columns: Sequence[Column], rows: Sequence[Sequence[Number | str]], worst: Sequence[Number], recipes: Sequence[str]
) -> Table:
    """Method, Clean %, Aua % under each attack and under the worst of them, time and cost, in one table.

    The tasks of several are lines above their methods.
    """
    keys = ["method", "clean_percent", *(f"{recipe}_aua_percent" for recipe in recipes)]
    places = [[column.key for column in columns].index(key) for key in keys]
    ends = [
        place
        for place, column in enumerate(columns)
        if column.key in ("training_seconds", "measured_fine_tuning_costs", ANSWER_COST.key)
    ]
    several = len(recipes) > 1
    chosen = [*(columns[place] for place in places), *[WORST] * several, *(columns[place] for place in ends)]
    tasks = list(dict.fromkeys(row[0] for row in rows))
    shown: list[tuple[Number | str, ...]] = []
    for task in tasks:
        if len(tasks) > 1:
            shown.append((str(task), *[""] * (len(chosen) - 1)))
        for row, value in zip(rows, worst, strict=True):
            if row[0] == task:
                shown.append((*(row[n] for n in places), *[value] * several, *(row[n] for n in ends)))
    return Table("", tuple(chosen), tuple(shown))


def _order(defense: str) -> tuple[int, str]:
    return (TABLE_ORDER.index(defense) if defense in TABLE_ORDER else len(TABLE_ORDER), defense)


def _row(
    task: str,
    mine: Sequence[TrainingRecord],
    trained: Sequence[TrainingRecord],
    runs: pd.DataFrame,
    attacked: pd.DataFrame,
    recipes: Sequence[str],
    shown: Sequence[str],
    of_answers: Sequence[Column],
) -> tuple[Number | str, ...]:
    first = mine[0]
    own_runs = runs[(runs.task == task) & (runs.defense == first.defense)]
    own_attacks = attacked[(attacked.task == task) & (attacked.defense == first.defense)]
    cells: list[Number | str] = [title_of(task), first.title, _number(own_runs.clean_percent)]
    for recipe in recipes:
        under = own_attacks[own_attacks.recipe == recipe]
        cells += [_number(under.aua_percent), _number(under.queries)]
    cells.append(_number(own_runs.seconds))
    for key in shown:
        cells.append(_speedup(trained, task, key, mine))
    cells += [Number(predicted_cost(first), digits=2), measured_cost(trained, task, mine)]
    cells += cost_cells(of_answers, first)
    return (*cells, _number(own_runs.kept_percent), Number(len(own_runs[own_runs.status == "finished"]), digits=0))


def _number(values: Sequence[float]) -> Number:
    summary = summarise(list(values))
    return Number(summary.mean, summary.std)


def _ratio(trained: Sequence[TrainingRecord], task: str, key: str, mine: Sequence[TrainingRecord]) -> float:
    """Seconds of the method `key` divided by those of `mine`, paired by seed; NaN under different conditions."""
    baseline = [record for record in trained if (record.task, record.defense) == (task, key)]
    if differing_conditions([*baseline, *mine]):
        return math.nan
    return time_ratio(counted_seconds(baseline), counted_seconds(mine)).mean


def _speedup(trained: Sequence[TrainingRecord], task: str, key: str, mine: Sequence[TrainingRecord]) -> Number:
    if mine[0].defense == key:
        return Number(1.0, digits=2, suffix="×")
    return Number(_ratio(trained, task, key, mine), digits=2, suffix="×")


def measured_cost(trained: Sequence[TrainingRecord], task: str, mine: Sequence[TrainingRecord]) -> Number:
    """Training time as a multiple of plain fine-tuning on the same texts."""
    if mine[0].defense == "fine_tune":
        return Number(1.0, digits=2)
    return Number(1 / _ratio(trained, task, "fine_tune", mine), digits=2)


def predicted_cost(record: TrainingRecord) -> float:
    """The cost model's training time as a multiple of plain fine-tuning for as many epochs.

    For a method from outside the tree it is computed from the counted passes; NaN if no epochs are known.
    """
    if record.defense not in tree_defenses():
        epochs = record.identity["settings"].get("epochs", math.nan)
        return sum(_counted_epochs(stage) for stage in record.stages) / epochs if record.stages else math.nan
    defense = with_settings(find_defense(record.defense)(), record.identity["settings"])
    searched = sum(stage["epochs"] for stage in record.stages if stage["name"] == "search")
    return epoch_units(defense, search_epochs=searched) / defense.epochs


def _counted_epochs(stage: Mapping[str, Any]) -> float:
    """A stage's counted passes in epochs of plain fine-tuning."""
    return update_units(Passes(**stage["passes"])) / stage["updates_per_epoch"]


def caption(origin: Provenance, trained: Sequence[TrainingRecord], attacks: Sequence[AttackResult]) -> list[str]:
    """The conditions of the numbers, in sentences."""
    lines = provenance(origin, trained)
    lines.append(
        "Speedup is the baseline's time over the method's, paired by seed. Cost is in trainings by fine-tuning: "
        "predicted from passes (BERT-base shape, 128 tokens), and measured."
    )
    if any(record.defense == "robust_ticket" for record in trained):
        lines.append("RobusT's pruned weights are zeros in dense matrices: they count as kept and save no time.")
    found = [*_tickets(trained), *_levels(trained), *_reweighted(trained)]
    return [*lines, *guard_caption(trained, attacks), *troubles(trained, attacks), *found]


def provenance(origin: Provenance, trained: Sequence[TrainingRecord]) -> list[str]:
    """The conditions of any table of a run, in sentences: preset, data, seeds, attacks, clock and machine."""
    tasks, recipes = origin.tasks.values(), origin.recipes
    machines = dict.fromkeys(machine_words(record.machine) for record in trained)
    clock = "CUDA events" if origin.device == "cuda" else "the host's clock (no CUDA device)"
    data = "; ".join(
        f"{each.title}: {each.training_texts} training texts, {each.test_texts} test texts ({each.origin}), "
        f"{each.attacked if recipes else 'none'} attacked, batch {each.batch_size}, at most {each.max_length} tokens"
        for each in tasks
    )
    lines = []
    if not origin.preset.comparable:
        lines.append(f"NOT COMPARABLE WITH THE PAPER: preset {origin.preset.key}.")
    seeds = sorted({record.seed for record in trained})
    lines += [
        f"{origin.chosen[0].upper()}{origin.chosen[1:]}. Backbone {origin.backbone}, precision {origin.precision}"
        + (", updates replayed from CUDA graphs." if origin.capture else "."),
        *([origin.precision_chosen] if origin.precision_chosen else []),
        f"Data: {data}.",
        f"Runs: seeds {', '.join(map(str, seeds))}; mean ± sample standard deviation. Clean % is on all test texts."
        if seeds
        else "Clean % is on all test texts.",
    ]
    if trained:
        lines += schedules(trained)
    if recipes:
        lines.append(f"Attacks: {'; '.join(dict.fromkeys(each.resources for each in tasks))}.")
    if trained:
        lines.append(f"Time: {clock}, training alone, on {'; and on '.join(machines)}.")
    if "bertattack_official" in recipes and "bertattack" not in recipes:
        lines.append(
            "BERT-Attack (as released) is the embedding attack that the releases run under that name: no masked "
            "language model is used."
        )
    return lines


def schedules(trained: Sequence[TrainingRecord]) -> list[str]:
    """The trainings' schedules, in sentences: one for all, or one for each schedule with its methods."""
    titles: dict[str, dict[str, None]] = {}
    for record in trained:
        titles.setdefault(_schedule_words(schedule_of(record)), {})[record.title] = None
    if len(titles) == 1:
        return [f"Schedule of every method: {next(iter(titles))}."]
    return [f"Schedule of {', '.join(which)}: {words}." for words, which in titles.items()]


def _schedule_words(schedule: Mapping[str, Any]) -> str:
    if None in (schedule["epochs"], schedule["learning_rate"], schedule["weight_decay"], schedule["warmup_ratio"]):
        return "not recorded"
    bound = schedule["max_grad_norm"]
    return (
        f"{schedule['epochs']:g} epochs, AdamW at {schedule['learning_rate']:g} falling to 0, warm-up over "
        f"{100 * schedule['warmup_ratio']:g} % of the updates, weight decay {schedule['weight_decay']:g}, "
        + ("gradients not clipped" if bound is None else f"gradients clipped at {bound:g}")
    )


def machine_words(machine: Mapping[str, Any]) -> str:
    """The processor and the GPUs; without GPUs, the processor and the number of threads, if that is known."""
    gpus = machine["gpus"] if isinstance(machine["gpus"], list) else []
    threads = f", {machine['threads']} threads" if "threads" in machine else ""
    return machine["processor"] + (f" with {', '.join(gpus)}" if gpus else threads)


def differing_conditions(trained: Sequence[TrainingRecord]) -> list[str]:
    """The conditions that differ between runs of one task, so that their times must not be compared, in sentences."""
    found = {}
    for record in trained[1:]:
        try:
            require_comparable(conditions(trained[0]), conditions(record))
        except UserError as refusal:
            found[str(refusal)] = None
    return list(found)


def troubles(
    trained: Sequence[TrainingRecord], attacks: Sequence[AttackResult], names: Mapping[str, str] | None = None
) -> list[str]:
    """Diverged runs, times that do not count, flags, differing conditions of times, attack errors.

    Args:
        names: the name of a run's method or variant, by the run's key; by default its title.
    """
    lines = []
    for task in dict.fromkeys(record.task for record in trained):
        unlike = differing_conditions([record for record in trained if record.task == task])
        lines += [f"{title_of(task)}: {sentence}." for sentence in unlike]
    runs = list({record.key: record for record in trained}.values())
    called = {record.key: (names or {}).get(record.key, record.title) for record in runs}
    if len({record.task for record in runs}) > 1:
        called = {record.key: f"{called[record.key]} on {title_of(record.task)}" for record in runs}
    diverged = [f"{called[record.key]} seed {record.seed}" for record in runs if record.status == "diverged"]
    if diverged:
        lines.append(f"Diverged and blank: {', '.join(diverged)}.")
    for record in runs:
        if record.status == "failed":
            lines.append(f"Failed and blank: {called[record.key]} seed {record.seed} {record.error}.")
    lines += _by_reason("Time not counted", [(called[record.key], record.invalid) for record in runs])
    lines += _by_reason("Flagged", [(called[record.key], record.flags) for record in runs])
    lines += [*filter(None, [broken_note(attacks)]), *starved_notes(attacks)]
    blank = sum(too_many_broke(result.outcomes) for result in attacks)
    if blank:
        lines.append(f"{blank} attacks are left blank: more than {BROKEN_PERCENT:g} % of their texts broke.")
    return lines


def _by_reason(what: str, runs: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
    """One sentence per reason: the number of its runs, and their methods or variants. Details are in the records.

    Args:
        runs: the name of each, with its reasons.
    """
    found: dict[str, list[str]] = {}
    for name, reasons in runs:
        for reason in dict.fromkeys(map(_without_details, reasons)):
            found.setdefault(reason, []).append(name)
    return [
        f"{what}, {reason}: "
        + (f"all {len(runs)} runs." if len(names) == len(runs) > 1 else f"{_count(names, runs)} ({_listed(names)}).")
        for reason, names in found.items()
    ]


def _count(names: Sequence[str], runs: Sequence[Any]) -> str:
    return f"{len(names)} of {len(runs)} run{'s' if len(runs) > 1 else ''}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(names))


def _without_details(reason: str) -> str:
    """The beginning of a flag, up to its first colon or number: it is the same for runs with other numbers."""
    return re.split(r"\s+(?:into|in)?\s*(?=\d)", reason.partition(":")[0], maxsplit=1)[0]


def _levels(trained: Sequence[TrainingRecord]) -> list[str]:
    """The flood levels that Flooding-X found, in a sentence."""
    parts = [
        f"{record.task} seed {record.seed} {stage['trace']['level']:.3f}"
        for record in trained
        for stage in record.stages
        if record.defense == "flooding_x" and "level" in stage["trace"]
    ]
    return [f"Flood levels found: {', '.join(parts)}."] if parts else []


def _reweighted(trained: Sequence[TrainingRecord]) -> list[str]:
    """How many of its batches DSRM reweighted, in a sentence."""
    stages = [stage for record in trained if record.defense == "dsrm" for stage in record.stages]
    if not stages:
        return []
    share = sum(stage["trace"]["reweighted"] for stage in stages) / sum(stage["updates"] for stage in stages)
    return [
        "DSRM holds a part of the training texts out, a tenth by default. "
        f"It reweighted {share:.0%} of its batches; the predicted cost is that of reweighting all."
    ]


def _tickets(trained: Sequence[TrainingRecord]) -> list[str]:
    """For searches with a stopping rule: when they drew and stopped, and which did not settle, in sentences."""
    searches = [
        (record, stage["trace"]) for record in trained for stage in record.stages if "converged" in stage["trace"]
    ]
    parts = [
        f"{record.task} seed {record.seed} drawn at {trace['draw_epoch']:.2f}, stopped at {trace['stop_epoch']:.2f}"
        + ("" if trace["converged"] else " (not settled)")
        for record, trace in searches
    ]
    return [f"Tickets, in epochs of search: {'; '.join(parts)}."] if parts else []
