"""Compare two folders of results, or boards, cell by cell: differences with intervals, and texts on which victims
disagree."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from baselines.validation import UserError
from benchmarks.data.tasks import title_of
from benchmarks.results.store import canonical
from reports.attack_groups import stored_results
from reports.board_files import is_board, read_rows
from reports.measured import measure
from reports.row import Row, RowAttack, row_of
from reports.statistics import (
    Disagreement,
    Estimate,
    mcnemar,
    require_comparable,
    summarise,
    time_ratio,
    two_level,
    two_level_difference,
)
from reports.tables import Column, Number, Table

COLUMNS = (
    Column("Task", "task", False),
    Column("Method", "method", False),
    Column("Quantity", "quantity", False),
    Column("A", "first"),
    Column("B", "second"),
    Column("B − A", "difference"),
    Column("Low", "difference_low"),
    Column("High", "difference_high"),
    Column("Outside", "outside_interval", False),
    Column("Only A", "only_first_texts"),
    Column("Only B", "only_second_texts"),
    Column("McNemar p", "mcnemar_p"),
    Column("Runs", "runs"),
)


@dataclass(frozen=True)
class Comparison:
    """Two folders of results side by side.

    Attributes:
        table: a row per cell and quantity.
        differing: number of differences with an interval that excludes 0; times are not counted, since another
            hour on the same machine changes them and no interval shows it.
    """

    table: Table
    differing: int


@dataclass(frozen=True)
class _Row:
    """One quantity in both folders, with its difference; for times, their ratio."""

    quantity: str
    first: float
    second: float
    difference: Estimate
    disagreement: Disagreement | None = None
    is_time: bool = False

    @property
    def outside(self) -> bool:
        """Whether the interval excludes no difference."""
        return self.difference.excludes(1 if self.is_time else 0)


def compare(first: Path, second: Path) -> Comparison:
    """The difference B minus A of every cell in both folders: task, defense, settings and recipe.

    Two models that were attacked on the same texts without a training are one cell, also under different names.

    Args:
        first, second: folders of results, or boards.
    Raises:
        UserError: if a folder holds no results, or the two share no cell.
    """
    sides = [_rows_in(folder) for folder in (first, second)]
    pairs, alone = _pairs(*sides)
    if not pairs:
        raise UserError(
            f"the folders {first} and {second} share no task, defense and settings, nor one model each attacked on the "
            f"same texts; compare two runs of one command, or two models attacked on one file"
        )
    rows, notes, differing = [], [], 0
    for a, b in pairs:
        found, refusals = _rows(a, b)
        notes += refusals
        for row in found:
            differing += row.outside and not row.is_time
            rows.append((_task(a), _name(a, sides[0]), *_cells(row)))
    for side, cells in zip((first, second), alone, strict=True):
        notes += [f"Only in {side}: {_task(cell)}, {cell.title} ({len(cell.trainings)} runs)." for cell in cells]
    caption = (f"A is {first}, B is {second}; a difference is B less A, of times B over A.", *notes, *NOTES)
    return Comparison(Table("Two folders of results", COLUMNS, tuple(rows), caption), differing)


def _rows_in(folder: Path) -> list[Row]:
    if is_board(folder):
        return read_rows(folder)
    return [row_of(cell) for cell in measure(*stored_results(folder))]


NOTES = (
    "Intervals are 95 % ones: by a bootstrap over runs and texts, paired by both where texts and seeds are the same; t "
    "intervals over runs for queries and times. One run of each: over texts alone. Outside: the interval excludes no "
    "difference, as one in twenty does by chance. Times never decide the exit code.",
    "Only A and only B count texts, over all runs, that one side alone withstood or read rightly. McNemar's exact test "
    "is of one run of each.",
)


def _pairs(first: Sequence[Row], second: Sequence[Row]) -> tuple[list[tuple[Row, Row]], tuple[list[Row], list[Row]]]:
    """Pairs of cells of the same defense with the same settings: first those under the same conditions, then the
    remaining ones if each side has one, then models attacked on the same texts; also the unpaired cells of each side.
    """
    pairs: list[tuple[Row, Row]] = []
    left, right = list(first), list(second)
    for key in (_in_conditions, _of_settings, _of_texts):
        for a in list(left):
            mine = [cell for cell in left if key(cell) == key(a)]
            theirs = [cell for cell in right if key(cell) == key(a)]
            if len(mine) == len(theirs) == 1:
                pairs.append((a, theirs[0]))
                left.remove(a)
                right.remove(theirs[0])
    pairs.sort(key=lambda pair: first.index(pair[0]))
    return pairs, (left, right)


def _of_settings(cell: Row) -> str:
    return canonical([cell.task, cell.defense, cell.source, cell.settings])


def _in_conditions(cell: Row) -> str:
    return canonical([_of_settings(cell), cell.surroundings])


def _of_texts(cell: Row) -> str:
    """For a model without a training, its texts, whatever the model is called; calibrated models are apart."""
    if cell.trainings:
        return _in_conditions(cell)
    texts = sorted({attack.texts for attack in cell.attacks})
    return canonical([cell.task, cell.surroundings.get("temperature", 1) == 1, texts])


def _rows(first: Row, second: Row) -> tuple[list[_Row], list[str]]:
    """The quantities of a pair of cells; also the reason if times are not comparable."""
    rows, notes = [], []
    name = f"{_task(first)}, {first.title}"
    unlike = [field for field in first.surroundings if first.surroundings[field] != second.surroundings.get(field)]
    differing = f", {', '.join(unlike)} differ" if unlike else ""
    if first.title != second.title:
        notes.append(f"{name}: this is A's model, and B's is {second.title}{differing}.")
    elif unlike:
        notes.append(f"{name}: trained in other surroundings{differing}.")
    if first.trainings and second.trainings:
        same_texts = first.surroundings.get("data") == second.surroundings.get("data")
        rows.append(
            _shares("Clean %", first.read_rightly, second.read_rightly, first.trainings, second.trainings, same_texts)
        )
    for a, b in _attacks(first, second):
        same_texts = a.texts == b.texts
        rows.append(_shares(f"{a.title} Aua %", a.withstood, b.withstood, a.runs, b.runs, same_texts))
        rows.append(_queries(a, b))
        if a.key != b.key:
            what = "settings" if same_texts else "texts, which are not paired"
            notes.append(f"{name}, {a.title}: the attacks differ in their {what}.")
    if first.trainings and second.trainings:
        try:
            rows += _times(first, second)
        except UserError as refusal:
            notes.append(f"{name}: {refusal}.")
    return rows, notes


def _attacks(first: Row, second: Row) -> list[tuple[RowAttack, RowAttack]]:
    """Pairs of attacks on both cells: those with equal settings, then a recipe's only attack on each side."""
    pairs = []
    left, right = list(first.attacks), list(second.attacks)
    for key in (lambda attack: attack.key, lambda attack: attack.recipe):
        for a in list(left):
            mine, theirs = ([each for each in side if key(each) == key(a)] for side in (left, right))
            if len(mine) == len(theirs) == 1:
                pairs.append((a, theirs[0]))
                left.remove(a)
                right.remove(theirs[0])
    return pairs


def _shares(
    quantity: str,
    first: Callable[[int], np.ndarray],
    second: Callable[[int], np.ndarray],
    first_seeds: Iterable[int],
    second_seeds: Iterable[int],
    same_texts: bool,
) -> _Row:
    """A percentage of texts, paired by run and text if both are equal, otherwise resampled independently."""
    seeds = sorted(set(first_seeds) & set(second_seeds))
    if same_texts and seeds:
        a, b = (np.array([side(seed) for seed in seeds]) for side in (first, second))
        found = [mcnemar(*pair) for pair in zip(a, b, strict=True)]
        p_value = found[0].p_value if len(found) == 1 else math.nan
        disagreement = Disagreement(
            sum(each.only_first for each in found), sum(each.only_second for each in found), p_value
        )
        difference = two_level(100.0 * b - 100.0 * a)
        return _Row(quantity, 100 * a.mean(), 100 * b.mean(), difference, disagreement=disagreement)
    a = np.array([first(seed) for seed in first_seeds])
    b = np.array([second(seed) for seed in second_seeds])
    return _Row(quantity, 100 * a.mean(), 100 * b.mean(), two_level_difference(100.0 * b, 100.0 * a))


def _queries(first: RowAttack, second: RowAttack) -> _Row:
    """#Query, with its difference paired by run."""
    seeds = sorted(set(first.runs) & set(second.runs))
    a, b = ([attack.queries(seed) for seed in seeds] for attack in (first, second))
    found = summarise([y - x for x, y in zip(a, b, strict=True)])
    difference = Estimate(found.mean, found.low, found.high, found.count)
    return _Row(f"{first.title} #Query", summarise(a).mean, summarise(b).mean, difference)


def _times(first: Row, second: Row) -> list[_Row]:
    """Training seconds and their ratio B over A, paired by run; empty if no run's time counts on both sides.

    Raises:
        UserError: naming the conditions that differ.
    """
    for one in first.trainings.values():
        for other in second.trainings.values():
            require_comparable(one.conditions, other.conditions)
    a, b = first.seconds(), second.seconds()
    found = time_ratio(b, a)
    if not found.count:
        return []
    ratio = Estimate(found.mean, found.low, found.high, found.count)
    means = (summarise(list(side.values())).mean for side in (a, b))
    return [_Row("Training s", *means, ratio, is_time=True)]


def _cells(row: _Row) -> tuple[Number | str, ...]:
    found, disagreement = row.difference, row.disagreement
    counts = (math.nan, math.nan) if disagreement is None else (disagreement.only_first, disagreement.only_second)
    digits, suffix = (2, "×") if row.is_time else (1, "")
    return (
        row.quantity,
        Number(row.first),
        Number(row.second),
        *(Number(value, digits=digits, suffix=suffix) for value in (found.value, found.low, found.high)),
        "yes" if row.outside else "no",
        *(Number(count, digits=0) for count in counts),
        Number(disagreement.p_value if disagreement else math.nan, digits=3),
        Number(found.runs, digits=0),
    )


def _task(cell: Row) -> str:
    return title_of(cell.task)


def _name(cell: Row, cells: Sequence[Row]) -> str:
    """The method's title; if others of the task share it, with the settings that differ."""
    same = [other for other in cells if (other.task, other.title) == (cell.task, cell.title)]
    names = dict.fromkeys(name for other in same for name in other.settings)
    told = [
        f"{name}={cell.settings[name]}"
        for name in names
        if name in cell.settings and len({canonical(other.settings.get(name)) for other in same}) > 1
    ]
    return f"{cell.title} ({', '.join(told)})" if told else cell.title
