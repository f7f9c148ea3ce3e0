"""Published numbers beside ours: the paper's value, our measurement, and the gap."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.abc import Traversable
from importlib.resources import files
from pathlib import Path

from baselines.validation import UserError, unknown
from benchmarks.attacks.recipes import RECIPES
from benchmarks.data.tasks import find_task
from benchmarks.experiments.defenses import known_defenses
from benchmarks.results.metrics import aua_percent, mean_queries
from reports.comparability import attack_departures, departures
from reports.measured import AttackRuns, Measured
from reports.statistics import Summary, summarise
from reports.tables import Column, Number, Table
from reports.task_results import TaskResults

FIELDS = ("paper", "task", "defense", "column", "value", "source")
METRICS = {"aua_percent": ("Aua %", aua_percent), "queries": ("#Query", mean_queries)}
OWN_PAPER = "EarlyRobust"


@dataclass(frozen=True)
class Published:
    """One number of a paper.

    Attributes:
        paper: who published it.
        task, defense: keys.
        column: `clean_percent`, or a recipe's key with `_aua_percent` or `_queries`.
        value: None if it was not available; the reader may fill it in.
        source: the paper's table, row and column.
    """

    paper: str
    task: str
    defense: str
    column: str
    value: float | None
    source: str


def published(folder: Path | None = None) -> list[Published]:
    """The numbers in a folder's CSV files; by default those of the suite.

    Raises:
        UserError: for a folder without CSV files, or naming file and line of a row that cannot be read.
    """
    place: Traversable = folder or files("reports") / "paper_numbers"
    found = [each for each in place.iterdir() if each.name.endswith(".csv")] if place.is_dir() else []
    if not found:
        raise UserError(
            f"the folder {place} holds no CSV file of published numbers; its columns would be {', '.join(FIELDS)}"
        )
    return [number for file in sorted(found, key=str) for number in _read(file)]


def _read(file: Traversable) -> Iterator[Published]:
    with file.open("r", encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(_readable(file, lines))
        if tuple(reader.fieldnames or ()) != FIELDS:
            raise UserError(
                f"{file}: the columns must be {', '.join(FIELDS)}, got {', '.join(reader.fieldnames or ())[:300]}"
            )
        try:
            for row in reader:
                yield _number(row)
        except (ValueError, csv.Error) as mistake:
            raise UserError(f"{file}, line {reader.line_num}: {mistake}") from mistake


def _readable(file: Traversable, lines: Iterable[str]) -> Iterator[str]:
    """The lines of a text file.

    Raises:
        UserError: naming the file, if it is not a text file.
    """
    try:
        yield from lines
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is not UTF-8 text: {error.reason}") from error


def _number(row: dict[str, str]) -> Published:
    if None in row or None in row.values():
        raise UserError(f"the row must have {len(FIELDS)} fields")
    find_task(row["task"])
    if row["defense"] not in known_defenses():
        raise unknown("defense", row["defense"], known_defenses())
    columns = ["clean_percent", *(f"{recipe}_{metric}" for recipe in RECIPES for metric in METRICS)]
    if row["column"] not in columns:
        raise unknown("column", row["column"], columns)
    value = None
    if row["value"].strip():
        try:
            value = float(row["value"])
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise UserError(f"value must be a number, or empty where it is not known, got {row['value'][:80]!r}")
    return Published(row["paper"], row["task"], row["defense"], row["column"], value, row["source"])


def gaps(tasks: Sequence[TaskResults], numbers: Iterable[Published]) -> Table:
    """One row per published number that was also measured here. If our runs are not comparable with the paper, the row
    says so. The sources of the table do not include the trainings and attacks of the tasks."""
    columns = (
        Column("Task", "task", False),
        Column("Method", "method", False),
        Column("Quantity", "quantity", False),
        Column("Paper", "paper", False),
        Column("Paper said", "published"),
        Column("We measured", "measured"),
        Column("Gap", "gap"),
        Column("Comparable", "comparable", False),
        Column("Source", "source", False),
    )
    by_task = {each.task: each for each in tasks}
    rows, shown, blank = [], [], 0
    why: dict[str, dict[str, None]] = {}
    for number in numbers:
        cell = by_task[number.task].main(number.defense) if number.task in by_task else None
        found = _measured(cell, number.column) if cell else None
        if cell is None or found is None:
            continue
        if number.value is None:
            blank += 1
            continue
        words, summary, unlike = found
        paper = number.paper if number.paper == OWN_PAPER else f"{number.paper} (another)"
        measured = Number(summary.mean, summary.std)
        gap = Number(summary.mean - number.value)
        task = find_task(number.task).title
        if unlike:
            why.setdefault(task, {}).update(dict.fromkeys(unlike))
        shown.append(number)
        head = (task, cell.title, words, paper)
        rows.append((*head, Number(number.value), measured, gap, "no" if unlike else "yes", number.source))
    caption = [f"Not comparable, {task}: {'; '.join(words)}." for task, words in why.items()]
    caption.append("Gap: what we measured less what the paper said; mean ± sample standard deviation over runs.")
    if blank:
        caption.append(
            f"{blank} more numbers are measured here and blank in the lists: fill them in, in a copy of the lists, and "
            "name its folder with --paper-numbers."
        )
    sources = {"kind": "paper_numbers", "published": [asdict(number) for number in shown]}
    return Table("Published numbers and ours", columns, tuple(rows), tuple(caption), sources=sources)


def _measured(cell: Measured, column: str) -> tuple[str, Summary, list[str]] | None:
    """The quantity's name, our mean over runs, and how the runs differ from the paper's."""
    unlike = list(dict.fromkeys(words for run in cell.trainings.values() for words in departures(run)))
    if column == "clean_percent":
        values = [100 * float(cell.read_rightly(seed).mean()) for seed in cell.trainings]
        return "Clean %", summarise(values), unlike
    metric = next(name for name in METRICS if column.endswith(f"_{name}"))
    recipe = column.removesuffix(f"_{metric}")
    attacks: list[AttackRuns] = [attack for attack in cell.attacks if attack.recipe == recipe]
    if not attacks:
        return None
    attack = max(attacks, key=lambda attack: len(attack.example_ids))
    title, measure = METRICS[metric]
    values = [measure(outcomes) for outcomes in attack.runs.values()]
    return f"{attack.title} {title}", summarise(values), unlike + attack_departures(attack, cell.task)
