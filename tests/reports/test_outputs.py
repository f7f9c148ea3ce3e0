"""What holds for every output at once: a quantity has one name and one number, and no name or text is run or read."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from made_up_victims import Made
from markdown_it import MarkdownIt

from baselines.validation import STEERING
from benchmarks.experiments.catalogue import EXPERIMENTS
from benchmarks.experiments.experiment import Variant
from benchmarks.results.store import Store
from reports.attack_report import write_report
from reports.budgets import draw_budgets
from reports.card import write_card
from reports.compare import compare
from reports.figures import write_figure
from reports.frame import AttackResult
from reports.kinds.variants import variant_table
from reports.model_card import _numbers, attacks_on, model_card
from reports.overview import Overview, overview
from reports.page.page import write_page
from reports.page.results import results_table, rows_of
from reports.published import Published, gaps
from reports.table1 import table1, troubles
from reports.tables import Number, Table, write_table
from reports.variant_runs import VariantRuns

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


HOSTILE = (
    "[x](http://evil.test) ![i](http://evil.test/a.png) <script>alert(1)</script> http://evil.test www.evil.test "
    "<http://evil.test> a@evil.test \x00\x1b[2J\ufffe\u202e `c` **b** \\input{x} $(x)$ |"
)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Every file that `report` and `export` write of records in which task, titles, errors and texts are hostile."""
    folder = tmp_path_factory.mktemp("hostile")
    made = Made()
    for task in ("sst2", f"=1+1 {HOSTILE}"):
        for defense in ("fine_tune", "early_robust"):
            made.add(defense, task=task, texts=4, aua=2, clean=3, seeds=(42,), title=f"=1+1 {defense} {HOSTILE}")
    made.add("pgd", seeds=(42,), recipes=(), status="failed", error=HOSTILE, flags=[HOSTILE])
    made.results = [
        AttackResult(
            replace(result.record, recipe_title=HOSTILE, profile=HOSTILE),
            [replace(each, original=(HOSTILE,), perturbed=(HOSTILE.upper(),)) for each in result.outcomes],
        )
        for result in made.results
    ]
    found = overview(made.store(folder))
    trained = [record for record in found.trainings.values() if record.task == "sst2"]
    table = table1(trained, found.results, {"textfooler": HOSTILE}, troubles(trained, found.results), HOSTILE)
    card = folder / "README.md"
    finished = next(record for record in trained if record.status == "finished")
    card.write_text(model_card(finished, attacks_on(Store(folder, writable=False), finished)), "utf-8")
    return [
        *write_report(found.attacks, folder),
        *write_card(found.card, folder, found.sources),
        *write_table(table, folder, "table1"),
        *write_figure(draw_budgets(found.attacks.curves), folder, "budgets"),
        write_page(found, folder),
        card,
    ]


def texts_of(files: Sequence[Path], suffix: str) -> dict[str, str]:
    found = {path.name: path.read_text("utf-8") for path in files if path.suffix == f".{suffix}"}
    assert found
    return found


def test_no_output_holds_a_character_that_steers_a_terminal_or_turns_a_line(hostile: list[Path]) -> None:
    for suffix in ("md", "csv", "tex", "html", "svg"):
        for name, text in texts_of(hostile, suffix).items():
            assert not STEERING.search(text.replace("\n", "").replace("\t", "")), name


def test_markdown_holds_no_link_image_or_tag_of_a_name(hostile: list[Path]) -> None:
    reader = MarkdownIt("commonmark").enable("table")
    for name, text in texts_of(hostile, "md").items():
        assert "evil.test" in text, name
        tokens = [token for block in reader.parse(text) for token in [block, *(block.children or ())]]
        kinds = {token.type for token in tokens}
        assert not kinds & {"link_open", "image", "html_inline", "html_block"}, (name, kinds)
        assert not re.search(r"https?://|www\.evil|\w@", text), f"{name} keeps an address that is made a link"


def test_pages_hold_no_tag_of_a_name(hostile: list[Path]) -> None:
    for name, text in texts_of(hostile, "html").items():
        assert "<script>alert" not in text and '<a href="http' not in text and "<img" not in text, name


def test_spreadsheets_run_nothing_and_latex_reads_nothing(hostile: list[Path]) -> None:
    for name, text in texts_of(hostile, "csv").items():
        cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
        assert not [cell for cell in cells if cell[:1] in "=@" and cell], name
    for name, text in texts_of(hostile, "tex").items():
        assert "\\input{" not in text, name


def test_drawings_are_xml_and_tables_are_json(hostile: list[Path]) -> None:
    for text in texts_of(hostile, "svg").values():
        ElementTree.fromstring(text)
    for text in texts_of(hostile, "json").values():
        json.loads(text)
