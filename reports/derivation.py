"""Make written tables again from the records that they name as their sources."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from benchmarks.results.records import TrainingRecord
from benchmarks.results.store import Store
from reports import attack_free
from reports.attack_report import attack_report, report_renderings
from reports.card import card_table, parts_table
from reports.claims import judge
from reports.experiments import KINDS
from reports.kinds.methods import externals_of
from reports.measured import measure
from reports.published import Published, gaps
from reports.sources import results_of, trainings_of
from reports.table1 import external_table
from reports.tables import Table
from reports.task_results import task_results


def derive(store: Store, content: Mapping[str, Any]) -> dict[str, str]:
    """The contents of a table's files, by suffix, derived again from its records.

    Title and caption, which also describe the conditions of the run, are copied.

    Args:
        content: the table's JSON; its `sources` name its kind and records.
    Raises:
        KeyError: for a missing record; with TypeError, AttributeError, IndexError and ValueError, sources
            from which no table can be made.
        Damaged: for a record that cannot be read.
    """
    sources = content["sources"]
    kind = sources.get("kind", "methods")
    if kind == "attacks":
        return report_renderings(attack_report(_by_key(trainings_of(store, sources)), results_of(store, sources)))
    table = MAKERS[kind](store, content)
    whole = replace(table, title=content["title"], caption=tuple(content["caption"]), sources=sources)
    return whole.renderings() if "kind" in sources else {"json": whole.to_json()}


def _by_key(trained: list[TrainingRecord]) -> dict[str, TrainingRecord]:
    return {record.key: record for record in trained}


def _external_victims(store: Store, content: Mapping[str, Any]) -> Table:
    sources = content["sources"]
    return external_table(externals_of(store, sources), sources["recipes"])


def _tasks(store: Store, content: Mapping[str, Any]):
    sources = content["sources"]
    return task_results(measure(_by_key(trainings_of(store, sources)), results_of(store, sources)))


def _paper_numbers(store: Store, content: Mapping[str, Any]) -> Table:
    numbers = [Published(**number) for number in content["sources"]["published"]]
    return gaps(_tasks(store, content), numbers)


MAKERS: dict[str, Callable[[Store, Mapping[str, Any]], Table]] = {
    **{name: kind.rebuild for name, kind in KINDS.items()},
    "externals": _external_victims,
    "sets": attack_free.rebuild,
    "claims": lambda store, content: card_table(judge(_tasks(store, content))),
    "claims_parts": lambda store, content: parts_table(judge(_tasks(store, content))),
    "paper_numbers": _paper_numbers,
}


def numbers_of(content: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The rows of a table's JSON and of its additional tables, by the name of one row."""
    beside = {f"agreement {number}, row": table["rows"] for number, table in enumerate(content.get("agreement", ()), 1)}
    for name in ("by_budget", "strictness", "stages"):
        beside[f"{name} row"] = content.get(name, {"rows": []})["rows"]
    return {"row": content["rows"], "budget curve": content.get("budget_curves", []), **beside}


def parse(text: str) -> dict[str, Any] | None:
    """A table's JSON that names its sources; None for other JSON.

    Raises:
        ValueError: if it is no JSON.
    """
    try:
        content = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return content if isinstance(content, dict) and "sources" in content else None
