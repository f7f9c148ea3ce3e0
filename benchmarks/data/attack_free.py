"""Sets of labelled texts that show robustness without an attack: typing errors, and texts changed elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baselines.validation import UserError, require, require_file_name
from benchmarks.data.classes import Classes
from benchmarks.data.examples import Dataset, Example
from benchmarks.data.files import is_unicode, text_of, without_doubles
from benchmarks.data.tasks import Task
from benchmarks.data.typos import RATES, with_typos

TYPOS, ADVGLUE = "typos", "advglue"
TYPO_SEED = 0
FILE = "dev.json"
ORIGINAL = "original_"

# How GLUE numbers the classes, which is how files in AdvGLUE's layout write them
_ENTAILMENT = ("entailment", "neutral", "contradiction")
GLUE_CLASSES = {
    "sst2": ("negative", "positive"),
    "qqp": ("not_duplicate", "duplicate"),
    "qnli": ("entailment", "not_entailment"),
    "rte": ("entailment", "not_entailment"),
    "mnli": _ENTAILMENT,
    "mnli-mm": _ENTAILMENT,
}


@dataclass(frozen=True)
class AttackFreeSet:
    """Labelled texts of a task, with the texts of which they are variants where these are known.

    Attributes:
        title: its name in tables.
        about: all that decides how it was made, as plain values.
        examples: the texts.
        originals: the unchanged texts, in the same order; None if they are not known.
    """

    title: str
    about: dict[str, Any]
    examples: tuple[Example, ...]
    originals: tuple[Example, ...] | None


def name_of_set(chosen: str) -> str:
    """The set's name in file names: `typos`, `advglue`, or that of the folder.

    Raises:
        UserError: for a folder without a name.
    """
    name = chosen if chosen in (TYPOS, ADVGLUE) else Path(chosen).resolve().name
    require_file_name(name, "--set")
    return name


def attack_free_sets(chosen: str, task: Task, dataset: Dataset, data_dir: Path | None) -> list[AttackFreeSet]:
    """The sets that `--set` names, for one task.

    Args:
        chosen: `typos` (the test texts with typing errors at three rates), `advglue` (`data_dir/advglue`), or a folder
            in AdvGLUE's layout.
        data_dir: the folder of data sets.
    Raises:
        UserError: for another name, or a folder without texts of the task.
    """
    if chosen == TYPOS:
        return [_typos(dataset, rate) for rate in RATES]
    if chosen == ADVGLUE:
        if data_dir is None:
            raise UserError(f"--set advglue reads DIR/advglue/{FILE}, and --data DIR is missing; nothing is downloaded")
        return [read_advglue(data_dir / ADVGLUE, task)]
    if not Path(chosen).is_dir():
        raise UserError(f"--set must be typos, advglue or a folder with {FILE}, got {chosen[:80]!r}")
    return [read_advglue(Path(chosen), task)]


def _typos(dataset: Dataset, rate: float) -> AttackFreeSet:
    return AttackFreeSet(
        f"typos in {100 * rate:g} % of words",
        {"name": TYPOS, "rate": rate, "seed": TYPO_SEED},
        tuple(with_typos(dataset.test, rate, TYPO_SEED)),
        tuple(dataset.test),
    )


def read_advglue(folder: Path, task: Task) -> AttackFreeSet:
    """A task's texts in a folder in the layout of AdvGLUE: `dev.json` with a list of rows for each task.

    A row holds the task's columns, a label, and where the maker knows it the unchanged text of a column as
    `original_<column>`. Labels are class names, or numbers: GLUE's for the tasks of GLUE, otherwise as the task's own
    files write them.

    Raises:
        UserError: naming file, task and row, for anything else.
    """
    path = folder / FILE
    try:
        content = json.loads(text_of(path), object_pairs_hook=without_doubles)
    except (ValueError, RecursionError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path} is not readable as JSON: {error}") from error
    require(isinstance(content, dict), str(path), "an object with a list of rows for each task", type(content).__name__)
    if task.key not in content:
        raise UserError(f"{path} has no texts of {task.key!r}; its tasks are: {', '.join(content)[:300] or 'none'}")
    rows = content[task.key]
    listed = isinstance(rows, list) and len(rows) > 0 and all(isinstance(row, dict) for row in rows)
    require(listed, f"{path}, {task.key}", "a list of rows, each an object", str(rows)[:80])
    places = [f"{path}, {task.key}, row {number}" for number in range(1, len(rows) + 1)]
    texts = [_texts(row, task.columns, where) for row, where in zip(rows, places, strict=True)]
    labels = _labels(rows, places, task)
    name = name_of_set(str(folder))
    examples = [Example(f"{name}-{n}", text, label) for n, (text, label) in enumerate(zip(texts, labels, strict=True))]
    originals = None
    if all(_knows_original(row, task.columns) for row in rows):
        named = [{c: row.get(f"{ORIGINAL}{c}") or row[c] for c in task.columns} for row in rows]
        unchanged = [_texts(row, task.columns, where) for row, where in zip(named, places, strict=True)]
        originals = tuple(
            Example(f"{name}-original-{n}", text, label)
            for n, (text, label) in enumerate(zip(unchanged, labels, strict=True))
        )
    return AttackFreeSet(name, {"name": name}, tuple(examples), originals)


def _knows_original(row: Mapping[str, Any], columns: Sequence[str]) -> bool:
    return any(row.get(f"{ORIGINAL}{column}") for column in columns)


def _texts(row: Mapping[str, Any], columns: Sequence[str], where: str) -> tuple[str, ...]:
    for column in columns:
        if column not in row:
            raise UserError(f"{where}: no {column!r}; its names are: {', '.join(row)[:300] or 'none'}")
        text = row[column]
        fits = isinstance(text, str) and text.strip() != "" and is_unicode(text)
        require(fits, f"{where}, {column}", "a text that is not empty", text)
    return tuple(row[column] for column in columns)


def _labels(rows: Sequence[Mapping[str, Any]], places: Sequence[str], task: Task) -> list[int]:
    """The task's class number of each row."""
    written = []
    for row, where in zip(rows, places, strict=True):
        label = row.get("label")
        fits = isinstance(label, str | int) and not isinstance(label, bool) and str(label).strip() != ""
        require(fits, f"{where}, label", "a class name or number", label)
        written.append((where, str(label).strip()))
    if task.key in GLUE_CLASSES:
        classes = Classes(GLUE_CLASSES[task.key])
        count = len(classes.names)
        require(len(task.label_names) == count, f"the task {task.key!r}", f"of {count} classes", len(task.label_names))
        numbers, _ = classes.numbers_of(written)
        order, _ = classes.order_for(task.key, task.label_names, task.label_values)
        return [order.index(numbers[label]) for _, label in written]
    if {label for _, label in written} <= set(task.label_values):
        return [task.label_values.index(label) for _, label in written]
    numbers, _ = Classes(task.label_names).numbers_of(written)
    return [numbers[label] for _, label in written]
