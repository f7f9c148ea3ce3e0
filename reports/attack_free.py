"""The table of accuracy on a set of texts that was not made by attacking the victim."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.data.tasks import title_of
from benchmarks.results.records import EvaluationRecord
from benchmarks.results.store import Store
from reports.sources import there
from reports.statistics import two_level
from reports.tables import Column, FileColumn, Number, Table

COLUMNS = (
    Column("Task", "task", False),
    Column("Method", "method", False),
    Column("Set", "set", False),
    Column("Accuracy %", "accuracy_percent"),
    FileColumn("Accuracy % low", "accuracy_percent_low"),
    FileColumn("Accuracy % high", "accuracy_percent_high"),
    Column("On originals %", "original_accuracy_percent"),
    Column("Difference", "difference_percent"),
    Column("Low", "difference_percent_low"),
    Column("High", "difference_percent_high"),
    Column("Both right %", "consistent_percent"),
    Column("Texts", "texts"),
)
NOTES = (
    "No text was made by attacking the victim. Accuracy is the share of the set's texts that are read rightly.",
    "Difference is the accuracy on the set minus that on the unchanged texts, where these are known; low and high are "
    "the ends of its 95 % interval, by resampling texts with both answers. Both right is the share of texts that "
    "are read rightly changed and unchanged.",
)


def table_of_sets(store: Store, shown: Sequence[EvaluationRecord]) -> Table:
    """All external victims of a store that were evaluated on the same texts as the given records."""
    texts = {_texts(record) for record in shown}
    alike = [record for record in store.evaluations() if "set" in record.identity and _texts(record) in texts]
    records = sorted(alike, key=lambda each: (each.task, each.title, each.identity["set"].get("rate", 0)))
    return set_table(store, records)


def _texts(record: EvaluationRecord) -> tuple[str, str, int]:
    """The texts and how they were cut."""
    return record.task, record.identity["data"], record.identity["max_length"]


def set_table(store: Store, records: Sequence[EvaluationRecord]) -> Table:
    """A row for each record of a set.

    Raises:
        KeyError: if the evaluation of its originals is missing.
    """
    notes = [
        f"{title_of(record.task)}, {record.title}: {note}"
        for record in records
        for note in record.victim.get("notes", ())
    ]
    return Table(
        "Accuracy on texts that were not made by an attack on the victim",
        COLUMNS,
        tuple(_row(store, record) for record in records),
        (*NOTES, *dict.fromkeys(notes)),
        sources={"kind": "sets", "evaluations": [record.key for record in records]},
    )


def rebuild(store: Store, content: Mapping[str, Any]) -> Table:
    """The table from the records that it names.

    Raises:
        KeyError: for a missing record.
    """
    return set_table(store, [there(store.evaluation(key), key) for key in content["sources"]["evaluations"]])


def _row(store: Store, record: EvaluationRecord) -> tuple[Number | str, ...]:
    right = _entries(record)
    accuracy = two_level(right)
    cells = [Number(math.nan)] * 5
    key = record.identity.get("original")
    if key is not None:
        before = _entries(there(store.evaluation(key), key))
        change = two_level(right - before)
        both = float(np.minimum(right, before).mean())
        cells = [Number(each) for each in (float(before.mean()), change.value, change.low, change.high, both)]
    return (
        title_of(record.task),
        record.title,
        record.identity["set"]["title"],
        Number(accuracy.value),
        Number(accuracy.low),
        Number(accuracy.high),
        *cells,
        Number(right.shape[1], digits=0),
    )


def _entries(record: EvaluationRecord) -> np.ndarray:
    """(1, N): 100 for each text that is read rightly, otherwise 0."""
    return np.array([[100.0 * (mark == "1") for mark in record.clean_correct]])
