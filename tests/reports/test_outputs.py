"""What holds for every output at once: one quantity has one name and one number wherever it stands."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_up_victims import Made

from benchmarks.experiments.catalogue import EXPERIMENTS
from benchmarks.experiments.experiment import Variant
from benchmarks.results.store import Store
from reports.compare import compare
from reports.model_card import _numbers, attacks_on
from reports.overview import Overview, overview
from reports.page.results import results_table, rows_of
from reports.published import Published, gaps
from reports.table1 import table1
from reports.tables import Number, Table
from reports.variants import VariantRuns, variant_table

OF_ATTACKS = ("Aua %", "#Query", "Clean % of attacked", "ASR %", "Texts")
RECIPES = {"textfooler": "Textfooler", "textbugger": "Textbugger"}
Found = tuple[tuple[str, str], str, float]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two methods of one run each; twenty of their two hundred test texts are attacked."""
    made = Made()
    for defense, aua, seconds in (("fine_tune", 3, 10.0), ("early_robust", 7, 40.0)):
        made.add(defense, aua=aua, clean=171, seconds=seconds, seeds=(42,), met=20, recipes=tuple(RECIPES))
    return made.store(tmp_path)


def cells_of(table: Table) -> Iterator[dict[str, Number | str]]:
    for row in table.rows:
        yield dict(zip((column.heading for column in table.columns), row, strict=True))


def named(cells: dict[str, Number | str], method: str, attack: str = "") -> Iterator[Found]:
    """Every number of a row with the method and attack it is of; a heading may name the attack itself."""
    for heading, cell in cells.items():
        if isinstance(cell, Number) and math.isfinite(cell.mean):
            title = next((title for title in RECIPES.values() if heading.startswith(f"{title} ")), "")
            of_attack = heading.removeprefix(f"{title} ") in OF_ATTACKS
            name = heading.removeprefix(f"{title} ") if title else heading
            yield (method, title or (attack if of_attack else "")), name, cell.mean


def outputs(found: Overview, folder: Path) -> dict[str, list[Found]]:
    """The numbers of each output that a folder gives."""
    trained, results = list(found.trainings.values()), list(found.results)
    page = results_table(rows_of(found), found)
    runs = [
        VariantRuns(
            "sst2",
            Variant(record.defense, record.title),
            (record,),
            tuple(each for each in results if each.record.training_key == record.key),
        )
        for record in trained
    ]
    numbers = [
        Published("EarlyRobust", "sst2", record.defense, column, 1.0, "")
        for record in trained
        for column in ("clean_percent", "textfooler_aua_percent", "textbugger_queries")
    ]
    store = Store(folder, writable=False)
    return {
        "Table 1": [
            each for row in cells_of(table1(trained, results, RECIPES, ())) for each in named(row, str(row["Method"]))
        ],
        "attacks": [
            each for row in cells_of(found.attacks.table) for each in named(row, str(row["Method"]), str(row["Attack"]))
        ],
        "page": [each for row in cells_of(page) for each in named(row, str(row["Method"]), str(row["Attack"]))],
        "variants": [
            each
            for row in cells_of(variant_table(EXPERIMENTS["table3"], runs, RECIPES, ()))
            for each in named(row, str(row["Variant"]))
        ],
        "compare": [
            each
            for row in cells_of(compare(folder, folder).table)
            for side in ("A", "B")
            for each in named({str(row["Quantity"]): row[side]}, str(row["Method"]))
        ],
        "published": [
            each
            for row in cells_of(gaps(found.tasks, numbers))
            for each in named({str(row["Quantity"]): row["We measured"]}, str(row["Method"]))
        ],
        "model card": [
            each
            for record in trained
            for row in cells_of(_numbers(record, attacks_on(store, record), 80.0))
            for each in named(row, record.title, str(row["Attack"]).replace("none", ""))
        ],
    }


def test_a_number_that_stands_in_two_outputs_is_the_same_under_the_same_name(folder: Path) -> None:
    seen: dict[tuple[tuple[str, str], str], dict[str, float]] = {}
    for output, numbers in outputs(overview(folder), folder).items():
        assert numbers, output
        for of, name, value in numbers:
            seen.setdefault((of, name), {}).setdefault(output, value)
            assert seen[of, name][output] == pytest.approx(value), f"{output} gives {name} of {of} twice"
    for (of, name), values in seen.items():
        assert len({round(value, 6) for value in values.values()}) == 1, f"{name} of {of}: {values}"
    shared = {name for (_, name), values in seen.items() if len(values) > 1}
    assert shared >= {
        "Clean %",
        "Aua %",
        "#Query",
        "Clean % of attacked",
        "ASR %",
        "Training s",
        "Kept %",
        "Measured cost",
    }
    assert seen[("EarlyRobust", ""), "Clean %"]["page"] == pytest.approx(85.5)
    assert seen[("EarlyRobust", "Textfooler"), "Clean % of attacked"]["page"] == pytest.approx(100)
