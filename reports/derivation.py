"""Make written tables again from the records that they name as their sources."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from benchmarks.experiments.catalogue import EXPERIMENTS
from benchmarks.experiments.options import Options
from benchmarks.experiments.presets import PRESETS
from benchmarks.results.records import TrainingRecord
from benchmarks.results.store import Store
from reports.attack_report import attack_report, report_renderings
from reports.card import card_table, parts_table
from reports.claims import judge
from reports.experiments import table_of_variants
from reports.external import ExternalResult
from reports.frame import AttackResult
from reports.hyperparameters import hyperparameter_table
from reports.measured import measure
from reports.published import Published, gaps
from reports.table1 import external_table, table1
from reports.tables import Table
from reports.task_results import task_results
from reports.variants import VariantRuns

AUA = "_aua_percent"


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
        return report_renderings(attack_report(_by_key(_trainings(store, sources)), _results(store, sources)))
    table = MAKERS[kind](store, content)
    whole = replace(table, title=content["title"], caption=tuple(content["caption"]), sources=sources)
    return whole.renderings() if "kind" in sources else {"json": whole.to_json()}


def _trainings(store: Store, sources: Mapping[str, Any]) -> list[TrainingRecord]:
    return [_there(store.training(key), key) for key in sources["trainings"]]


def _results(store: Store, sources: Mapping[str, Any]) -> list[AttackResult]:
    return [AttackResult(_there(store.planned_attack(key), key), store.outcomes(key)) for key in sources["attacks"]]


def _there(record: Any, key: str) -> Any:
    if record is None:
        raise KeyError(key)
    return record


def _by_key(trained: list[TrainingRecord]) -> dict[str, TrainingRecord]:
    return {record.key: record for record in trained}


def _methods(store: Store, content: Mapping[str, Any]) -> Table:
    """Table 1 and similar tables. Older ones have no kind in their sources, and recipes without titles."""
    sources = content["sources"]
    in_rows = {name.removesuffix(AUA): name for row in content["rows"][:1] for name in row if name.endswith(AUA)}
    recipes = sources.get("recipes", in_rows)
    return table1(
        _trainings(store, sources), _results(store, sources), recipes, (), externals=_externals(store, sources)
    )


def _externals(store: Store, sources: Mapping[str, Any]) -> list[ExternalResult]:
    """External victims with the attacks on them; older tables name none."""
    found = []
    for key in sources.get("evaluations", ()):
        attacks = [each for each in store.attacks() if each.training_key == key]
        results = {each.recipe: AttackResult(each, store.outcomes(each.key)) for each in attacks}
        found.append(ExternalResult(_there(store.evaluation(key), key), results))
    return found


def _external_victims(store: Store, content: Mapping[str, Any]) -> Table:
    sources = content["sources"]
    return external_table(_externals(store, sources), sources["recipes"])


def _variants(store: Store, content: Mapping[str, Any]) -> Table:
    """An experiment on one method."""
    sources = content["sources"]
    experiment = EXPERIMENTS[sources["experiment"]]
    variants = {variant.key: variant for variant in experiment.variants}
    runs = [
        VariantRuns(
            each["task"], variants[each["variant"]], tuple(_trainings(store, each)), tuple(_results(store, each))
        )
        for each in sources["runs"]
    ]
    return table_of_variants(experiment, runs, sources["recipes"], sources["sizes"], ())


def _settings(_: Store, content: Mapping[str, Any]) -> Table:
    """Hyperparameters, which need no record."""
    sources = content["sources"]
    asked = {name: sources[name] for name in ("batch_size", "max_length", "schedule") if name in sources}
    options = Options(**asked)
    experiment, preset = EXPERIMENTS[sources["experiment"]], PRESETS[sources["preset"]]
    return hyperparameter_table(experiment, preset, options, sources["tasks"])


def _tasks(store: Store, content: Mapping[str, Any]):
    sources = content["sources"]
    return task_results(measure(_by_key(_trainings(store, sources)), _results(store, sources)))


def _paper_numbers(store: Store, content: Mapping[str, Any]) -> Table:
    numbers = [Published(**number) for number in content["sources"]["published"]]
    return gaps(_tasks(store, content), numbers)


MAKERS: dict[str, Callable[[Store, Mapping[str, Any]], Table]] = {
    "methods": _methods,
    **dict.fromkeys(("variants", "curves", "distances", "layers"), _variants),
    "externals": _external_victims,
    "settings": _settings,
    "claims": lambda store, content: card_table(judge(_tasks(store, content))),
    "claims_parts": lambda store, content: parts_table(judge(_tasks(store, content))),
    "paper_numbers": _paper_numbers,
}


def numbers_of(content: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The rows of a table's JSON and of its additional tables, by the name of one row."""
    beside = {f"agreement {number}, row": table["rows"] for number, table in enumerate(content.get("agreement", ()), 1)}
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
