"""The page's results table: the report's numbers, blanks where nothing sound is stored, and the records behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up_results import made_up_overview

from benchmarks.results.store import content_key
from reports.overview import Overview
from reports.page.results import NOT_ATTACKED, Row, records_of, results_table, rows_of


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Overview:
    return made_up_overview(Path(tmp_path_factory.mktemp("results")))


@pytest.fixture(scope="module")
def rows(found: Overview) -> list[Row]:
    return rows_of(found)


def test_a_row_per_method_and_attack_and_per_training_that_was_not_attacked(rows: list[Row]) -> None:
    assert [(row.method, row.attack, len(row.runs)) for row in rows] == [
        ("Fine-tune", "Textfooler", 2),
        ("Fine-tune", "Textbugger", 2),
        ("FreeLB", "Textfooler", 3),
        ("FreeLB", "Textbugger", 2),
        ("FreeLB", "Pwws", 1),
        ("EarlyRobust", "", 1),
        ("PGD", "", 1),
    ]


def test_numbers_are_the_report_s_and_blank_where_nothing_is_sound(found: Overview, rows: list[Row]) -> None:
    table = results_table(rows, found)
    records = table.records()
    for row, report in zip(records, found.attacks.table.records(), strict=False):
        assert {name: row[name] for name in report} == report
    partial, idle, diverged = records[4:]
    assert partial["aua_percent"] is None and partial["state"] == "seed 44 partial: 3 of 4 texts"
    assert records[2]["state"] == "seed 44 partial: 2 of 4 texts" and records[2]["runs"] == 2
    assert idle["attack"] == NOT_ATTACKED and idle["training_seconds"] == 10 and idle["aua_percent"] is None
    assert (diverged["state"], diverged["training_seconds"], diverged["clean_percent"]) == (
        "seed 42 diverged",
        None,
        None,
    )
    assert records[0]["state"] == "complete"


def test_measured_cost_is_in_trainings_by_fine_tuning(found: Overview, rows: list[Row]) -> None:
    costs = [row["measured_fine_tuning_costs"] for row in results_table(rows, found).records()]
    assert costs[:4] == [1, 1, pytest.approx(4), pytest.approx(4)]


def test_a_partial_run_has_no_numbers_and_says_why(rows: list[Row]) -> None:
    first, _, partial = [run.as_json() for run in rows[2].runs]
    assert (first["aua_percent"], first["trouble"], first["training_seconds"]) == (75, "", 40)
    assert (partial["aua_percent"], partial["queries"], partial["training_seconds"]) == (None, None, 44)


def test_records_tell_what_they_rest_on(rows: list[Row]) -> None:
    records = records_of(rows)
    run = rows[0].runs[0]
    training, attack = (records[key] for key in (run.training.key, run.attack.record.key))
    assert training["Record"] == f"trainings/{run.training.key}" and training["Machine"]["threads"] == 2
    assert training["Identity, hashed to the record's name"] == run.training.identity
    assert attack["Recipe, SHA-256"] == content_key({"recipe": "textfooler"}) and attack["Profile"] == "offline profile"
    assert "Error" not in training and "Flags" not in training
    assert len(records) == 7 + 10
