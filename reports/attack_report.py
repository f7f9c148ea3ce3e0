"""The report on stored attacks: rates, query budgets, strictness, agreement, and the changed words."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from baselines.validation import UserError, printable, require
from benchmarks.results.metrics import (
    BROKEN_PERCENT,
    agreement_percent,
    asr_percent,
    aua_percent,
    aua_percent_over_log_budget,
    budget_aua_percents,
    class_aua_percents,
    clean_percent,
    mean_gradient_passes,
    mean_queries,
    mean_similarity,
    modification_percent,
    too_many_broke,
    worst_aua_percent,
)
from benchmarks.results.records import AttackRecord, Outcome, TrainingRecord
from benchmarks.results.seals import seal
from benchmarks.results.store import write_atomically
from reports.attack_groups import AttackGroup, attack_groups
from reports.frame import AttackResult, broken_note, keys_of, starved_notes
from reports.stages import Staged, stage_table
from reports.statistics import summarise
from reports.strictness import strictness_table
from reports.tables import Column, FileColumn, Number, Table
from reports.white_box import white_box_notes
from reports.word_differences import STYLES, terminal_words, word_differences

TITLE = "Attacks: what was withstood, at what cost, and what was changed"
CURVE_POINTS = 400
BUDGETS = (10, 30, 100, 300, 1000, 3000)


@dataclass(frozen=True)
class Curve:
    """Aua% by query budget, the mean over runs.

    Attributes:
        task, method, attack: as in the group.
        queries: budgets, ascending from 0.
        aua_percent: as many.
    """

    task: str
    method: str
    attack: str
    queries: list[int]
    aua_percent: list[float]


@dataclass(frozen=True)
class AttackReport:
    """All content of the report.

    Attributes:
        table: a row per task, method and attack.
        curves: one per row.
        agreement: per task, one matrix over attacks and one over methods, if there are two.
        groups: the attacks of the report.
        by_budget: Aua% at some query budgets, and the area under its curve.
        strictness: Aua% if only strict successes count.
        stages: Aua% after each stage of cascades; without rows if there is none.
    """

    table: Table
    curves: tuple[Curve, ...]
    agreement: tuple[Table, ...]
    groups: tuple[AttackGroup, ...]
    by_budget: Table
    strictness: Table
    stages: Table

    @property
    def bounds(self) -> tuple[Table, ...]:
        """The tables on bounds of queries and of changes."""
        return (self.by_budget, self.strictness)

    @property
    def tables(self) -> tuple[Table, ...]:
        """All its tables, in the order of its files."""
        return (self.table, *self.bounds, *([self.stages] if self.stages.rows else []), *self.agreement)


def attack_report(trainings: Mapping[str, TrainingRecord], results: Sequence[AttackResult]) -> AttackReport:
    """Make the report on some attacks.

    Args:
        trainings: the victims' records by key; a victim without a record gets the attack's own names.
    Raises:
        UserError: if no attack is complete.
    """
    if not any(result.complete for result in results):
        raise UserError("no stored attack is complete; repeat the command that was interrupted")
    groups = attack_groups(trainings, results)
    sources = {"kind": "attacks"} | {kind: sorted(keys) for kind, keys in keys_of(trainings.values(), results).items()}
    table = replace(attack_table(groups, results), sources=sources)
    single = [each for each in groups if not each.stages]  # a cascade goes on after a success, with other attacks
    return AttackReport(
        table,
        tuple(curves(single)),
        tuple(agreement(groups)),
        tuple(groups),
        budget_table(single),
        strictness_table(single),
        stage_table(Staged(each.task, each.method, each.stages, list(each.runs.values())) for each in groups),
    )


def attack_table(groups: Sequence[AttackGroup], results: Sequence[AttackResult]) -> Table:
    """One row per task, method and attack: the rates, as means over runs."""
    classes = list(dict.fromkeys(name for group in groups for name in _class_names(group).values()))
    columns = (
        Column("Task", "task", False),
        Column("Method", "method", False),
        Column("Attack", "attack", False),
        FileColumn("Clean % of attacked", "subset_clean_percent"),
        Column("Aua %", "aua_percent"),
        Column("Worst Aua %", "aua_worst_percent"),
        FileColumn("ASR %", "asr_percent"),
        Column("#Query", "queries"),
        Column("Words changed %", "modification_percent"),
        FileColumn("Similarity", "similarity"),
        *([FileColumn("Gradient passes", "gradient_passes")] if _has_gradients(groups) else []),
        *(FileColumn(f"Aua % {name}", f"aua_percent_{re.sub(r'[^a-z0-9]+', '_', name.lower())}") for name in classes),
        FileColumn("Texts", "texts"),
        FileColumn("Runs", "runs"),
    )
    rows = tuple(_row(group, groups, classes) for group in groups)
    partial = [result.record for result in results if not result.complete]
    broken = broken_note(results)
    failed = [result.record for result in results if too_many_broke(result.outcomes)]
    caption = [*NOTES, *(f"Attacks: {profile}." for profile in dict.fromkeys(each.record.profile for each in results))]
    if partial:
        caption.append(f"Left out, since outcomes are missing: {_names(partial)}.")
    if failed:
        caption.append(f"Left out, since more than {BROKEN_PERCENT:g} % of the texts broke: {_names(failed)}.")
    if broken:
        caption.append(broken)
    caption += [*starved_notes(results), *white_box_notes(groups)]
    return Table(TITLE, columns, rows, tuple(caption), incomplete=bool(partial or broken))


def _names(records: Sequence[AttackRecord]) -> str:
    return ", ".join(f"{each.recipe_title} on {each.defense} ({each.task}, seed {each.seed})" for each in records)


def _has_gradients(groups: Sequence[AttackGroup]) -> bool:
    """Whether an attack followed gradients."""
    return any(each.gradient_passes is not None for group in groups for run in group.runs.values() for each in run)


def _class_names(group: AttackGroup) -> dict[int, str]:
    """Names of the classes with texts, by label."""
    labels = sorted({outcome.label for outcomes in group.runs.values() for outcome in outcomes})
    return {
        label: group.label_names[label] if 0 <= label < len(group.label_names) else f"label {label}" for label in labels
    }


def _row(group: AttackGroup, groups: Sequence[AttackGroup], classes: Sequence[str]) -> tuple[Number | str, ...]:
    runs = list(group.runs.values())
    names = _class_names(group)
    by_class = [{names[label]: share for label, share in class_aua_percents(run).items()} for run in runs]
    return (
        group.task,
        group.method,
        group.attack,
        _number(map(clean_percent, runs)),
        _number(map(aua_percent, runs)),
        _number(_worst(group, groups)),
        _number(map(asr_percent, runs)),
        _number(map(mean_queries, runs)),
        _number(map(modification_percent, runs)),
        _number(map(mean_similarity, runs), digits=3),
        *([_number(map(mean_gradient_passes, runs))] if _has_gradients(groups) else []),
        *(_number(shares.get(name, math.nan) for shares in by_class) for name in classes),
        Number(len(group.texts), digits=0),
        Number(len(runs), digits=0),
    )


def _number(values: Iterable[float], digits: int = 1) -> Number:
    summary = summarise(list(values))
    return Number(summary.mean, summary.std, digits=digits)


def _worst(group: AttackGroup, groups: Sequence[AttackGroup]) -> list[float]:
    """Aua% under the worst of all attacks on the group's victim and texts, for each seed with all of them."""
    attacks = [each for each in groups if _victim(each) == _victim(group) and each.texts == group.texts]
    seeds = set.intersection(*(set(each.runs) for each in attacks))
    return [worst_aua_percent([each.runs[seed] for each in attacks]) for seed in sorted(seeds)]


def _victim(group: AttackGroup) -> tuple[str, str]:
    return group.task, group.method


def curves(groups: Sequence[AttackGroup]) -> list[Curve]:
    """Aua% by query budget for each group; within a task and attack, curves end at the longest attack's queries."""
    reach: dict[tuple[str, str], int] = {}
    for group in groups:
        spent = max(outcome.queries for outcomes in group.runs.values() for outcome in outcomes)
        drawing = (group.task, group.attack)
        reach[drawing] = max(reach.get(drawing, 0), spent)
    found = []
    for group in groups:
        budgets = _budgets(reach[group.task, group.attack])
        by_run = [budget_aua_percents(outcomes, budgets) for outcomes in group.runs.values()]
        means = [summarise(shares).mean for shares in zip(*by_run, strict=True)]
        found.append(Curve(group.task, group.method, group.attack, budgets, means))
    return found


def budget_table(groups: Sequence[AttackGroup]) -> Table:
    """Aua% at each of `BUDGETS`, and its mean over their logarithm; blank beyond an attack's own budget."""
    columns = (
        Column("Task", "task", False),
        Column("Method", "method", False),
        Column("Attack", "attack", False),
        *(Column(f"{budget:,}", f"aua_percent_at_{budget}_queries") for budget in BUDGETS),
        Column("Area", "aua_percent_over_log_queries"),
    )
    return Table(
        "Aua % by queries allowed per text", columns, tuple(_budget_row(group) for group in groups), (AREA_NOTE,)
    )


def _budget_row(group: AttackGroup) -> tuple[Number | str, ...]:
    runs = list(group.runs.values())
    known = [budget for budget in BUDGETS if budget <= group.query_budget]
    shares = list(zip(*(budget_aua_percents(outcomes, known) for outcomes in runs), strict=True))
    cells = [_number(each) for each in shares] + [Number(math.nan)] * (len(BUDGETS) - len(known))
    area = [aua_percent_over_log_budget(outcomes, BUDGETS[0], BUDGETS[-1]) for outcomes in runs]
    return group.task, group.method, group.attack, *cells, _number(area if len(known) == len(BUDGETS) else [])


def _budgets(top: int) -> list[int]:
    """Whole budgets from 0 to `top`, both included, as many as a drawing can show."""
    return sorted({*range(0, top + 1, math.ceil((top + 1) / CURVE_POINTS)), top})


def agreement(groups: Sequence[AttackGroup]) -> list[Table]:
    """Per task, how often two attacks, and how often two methods, give the same verdict on the same text."""
    tables = []
    for task in dict.fromkeys(group.task for group in groups):
        mine = [group for group in groups if group.task == task]
        attacks, methods = ({_name(group, kind): None for group in mine} for kind in ("attack", "method"))
        if len(attacks) > 1:
            tables.append(_matrix(f"{task}: agreement of two attacks on the same victim, % of texts", "attack", mine))
        if len(methods) > 1:
            tables.append(
                _matrix(f"{task}: agreement of two methods under the same attack, % of texts", "method", mine)
            )
    return tables


def _name(group: AttackGroup, kind: str) -> str:
    return group.attack if kind == "attack" else group.method


def _matrix(title: str, kind: str, groups: Sequence[AttackGroup]) -> Table:
    """Mean agreement over everything else the pairs share: the seed, the texts, and the method or the attack."""
    other = "method" if kind == "attack" else "attack"
    names = list(dict.fromkeys(_name(group, kind) for group in groups))
    shares: dict[tuple[str, str], list[float]] = {}
    for one, two in itertools.product(groups, groups):
        if _name(one, other) == _name(two, other) and one.texts == two.texts:
            pair = (_name(one, kind), _name(two, kind))
            both = sorted(set(one.runs) & set(two.runs))
            shares.setdefault(pair, []).extend(agreement_percent(one.runs[seed], two.runs[seed]) for seed in both)
    rows = tuple((row, *(Number(summarise(shares.get((row, name), [])).mean) for name in names)) for row in names)
    columns = (Column(kind.title(), kind, False), *(Column(name, f"{name} agreement_percent") for name in names))
    return Table(title, columns, rows)


def examples_of(group: AttackGroup, count: int) -> list[Outcome]:
    """Up to `count` attacked texts of the first run, successful attacks before failed ones, in the order drawn."""
    outcomes = next(iter(group.runs.values()))
    return [each for status in ("successful", "failed") for each in outcomes if each.status == status][:count]


def _facts(outcome: Outcome, group: AttackGroup) -> str:
    """Label, status, queries and changes of one text."""
    facts = [
        outcome.example_id,
        _class_names(group)[outcome.label],
        f"{outcome.status} after {outcome.queries} queries",
        f"{outcome.words_changed} of {outcome.words} words changed",
    ]
    return " · ".join(facts + ([] if outcome.similarity is None else [f"similarity {outcome.similarity:.3f}"]))


def write_report(report: AttackReport, folder: Path) -> list[Path]:
    """Write the report as Markdown, CSV, LaTeX and JSON, each completely or not at all."""
    paths = []
    for suffix, content in report_renderings(report).items():
        paths.append(folder / f"attacks.{suffix}")
        write_atomically(paths[-1], content)
    seal(folder, paths)
    return paths


def report_renderings(report: AttackReport) -> dict[str, str]:
    """The contents of its files, by suffix; the CSV has only the table."""
    return {
        "md": "\n".join(table.to_markdown() for table in report.tables),
        "csv": report.table.to_csv(),
        "tex": "\n".join(table.to_latex() for table in report.tables),
        "json": to_json(report),
    }


def to_json(report: AttackReport) -> str:
    """The table's rows, the curves, the bounds and the agreement, with units in the key names."""
    content: dict[str, Any] = json.loads(report.table.to_json())
    content["budget_curves"] = [
        {"task": each.task, "method": each.method, "attack": each.attack}
        | {"queries": each.queries, "aua_percent": each.aua_percent}
        for each in report.curves
    ]
    beside = {"by_budget": report.by_budget, "strictness": report.strictness, "stages": report.stages}
    for name, table in beside.items():
        content[name] = json.loads(table.to_json())
    content["agreement"] = [json.loads(table.to_json()) for table in report.agreement]
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _columns(outcome: Outcome, group: AttackGroup) -> list[tuple[str, str, str]]:
    """Name, original and adversarial text of each column; one column needs no name."""
    names = group.columns if len(outcome.original) == len(group.columns) > 1 else [""] * len(outcome.original)
    return list(zip(names, outcome.original, outcome.perturbed, strict=True))


def print_report(report: AttackReport, console: Console, examples: int) -> None:
    """Show the rates, Aua% by query budget and, if requested, one text per task and attack with its changed words."""
    report.table.print(console)
    for table in (report.by_budget, report.stages):
        if table.rows:
            console.print()
            table.print(console)
    if not examples:
        return
    firsts: dict[tuple[str, str], AttackGroup] = {}
    for group in report.groups:
        firsts.setdefault((group.task, group.attack), group)
    for group in firsts.values():
        for outcome in examples_of(group, 1):
            console.print()
            title = f"{group.task}, {group.method}, {group.attack}: {_facts(outcome, group)}"
            console.print(Text(printable(title), "bold"), soft_wrap=True)
            for name, before, after in _columns(outcome, group):
                for kind, pieces in zip(STYLES, word_differences(before, after), strict=True):
                    caption = Text(f"{name} {kind}: ".lstrip())
                    console.print(caption + terminal_words(pieces, STYLES[kind]), soft_wrap=True)


def check_examples(count: int) -> None:
    """Raise an error for a negative number of examples.

    Raises:
        UserError: naming the flag.
    """
    require(count >= 0, "--examples", "0 or more", count)


NOTES = (
    "All numbers are derived from stored outcomes; mean ± sample standard deviation over runs.",
    "Clean % of attacked and Aua % are shares of all drawn texts; those misread from the start count as lost. Table 1 "
    "has Clean %, the share of all test texts. Worst Aua % is the share that withstood every attack shown for that "
    "task and method, on the same texts.",
    "ASR % and #Query are over attacked texts, words changed and similarity over successful attacks. Similarity is by "
    "each recipe's own measure: it compares methods, not recipes.",
)
BUDGET_NOTE = (
    "The share of drawn texts still read rightly when the attacker may ask no more than so many times per text: those "
    "on which the attack failed, or succeeded with more queries. Mean over runs. The searches did not know of a "
    "budget; one that does may spend its queries otherwise."
)
AREA_NOTE = (
    "The share of drawn texts still read rightly if the attacker may ask no more than so many times per text; mean "
    "over runs. The area is the mean of Aua % over the logarithm of the budget from 10 to 3,000 queries. Blank beyond "
    "the attack's own budget."
)
AGREEMENT_NOTE = (
    "The share of texts on which both come to the same verdict, withstood or lost, in the same run; the mean over "
    "runs, and over methods or attacks. Texts misread from the start are lost to every attack and raise the agreement "
    "of two."
)
