"""Everything known about a folder of results without running anything: for `report` and the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.results.records import TrainingRecord
from reports.attack_groups import stored_results
from reports.attack_report import AttackReport, attack_report
from reports.claims import Card, judge
from reports.frame import AttackResult, keys_of
from reports.measured import measure
from reports.published import gaps, published
from reports.tables import Table
from reports.task_results import TaskResults, task_results


@dataclass(frozen=True)
class Overview:
    """A folder's records and all reports on them.

    Attributes:
        trainings: by key.
        results: all attacks, partial ones too.
        attacks: the report on complete attacks; None if there are none.
        tasks: the measurements, by task.
        card: the verdicts on the paper's claims.
        gaps: published numbers beside ours.
        sources: keys of all records, under "trainings" and "attacks".
    """

    trainings: Mapping[str, TrainingRecord]
    results: Sequence[AttackResult]
    attacks: AttackReport | None
    tasks: Sequence[TaskResults]
    card: Card
    gaps: Table
    sources: dict[str, list[str]]


def overview(folder: Path, paper_numbers: Path | None = None) -> Overview:
    """The overview of a folder, which is only read.

    Args:
        paper_numbers: folder with CSV files of published numbers; by default those of the suite.
    Raises:
        UserError: if there is no such folder, or neither a training nor an attack in it.
    """
    numbers = published(paper_numbers)
    trainings, results = stored_results(folder)
    found = attack_report(trainings, results) if any(result.complete for result in results) else None
    tasks = task_results(measure(trainings, results))
    sources = keys_of(trainings.values(), results)
    beside = gaps(tasks, numbers)
    beside = replace(beside, sources={**(beside.sources or {}), **sources})
    return Overview(trainings, results, found, tasks, judge(tasks), beside, sources)
