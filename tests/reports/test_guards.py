"""What tables say of guarded models."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from made_up import attack, outcome, training

from benchmarks.results.store import Store
from benchmarks.results.verify import verify
from reports.frame import AttackResult
from reports.guards import answer_passes, cost_columns, guard_caption, guard_cells, guard_columns
from reports.table1 import table1

RECIPES = {"textfooler": "TextFooler"}
CERTIFICATE = {
    "right": True,
    "radius": 2,
    "radius_released": 3,
    "abstains": False,
    "copies": 500,
    "distance": 1,
    "contradicted": False,
}


def guarded(**changes):
    return training("ran_mask", title="RanMASK", guard={"key": "ran_mask", "passes": 10.0}, **changes)


def result(record, *certificates, first_flip=None) -> AttackResult:
    """Four texts: two withstood, one lost, one misread from the start."""
    statuses = ("failed", "failed", "successful", "skipped")
    outcomes = [
        outcome(number, status, certificate=certificate, first_flip=first_flip)
        for number, (status, certificate) in enumerate(zip(statuses, certificates or [None] * 4, strict=True))
    ]
    return AttackResult(attack(record), outcomes)


def row(table, number: int = 0) -> dict:
    return {column.key: cell for column, cell in zip(table.columns, table.rows[number], strict=True)}


def test_a_table_without_guards_has_no_column_on_them() -> None:
    record = training(title="Fine-tune", settings={"epochs": 3})
    assert cost_columns([record]) == guard_columns(RECIPES, [result(record)]) == guard_caption([record], []) == []
    assert answer_passes(record) == 1


def test_the_cost_of_an_answer_stands_beside_that_of_training() -> None:
    plain, own = training(title="Fine-tune"), guarded()
    table = table1([plain, own], [result(plain), result(own)], RECIPES, [])
    assert [row(table, number)["answer_passes"].mean for number in range(2)] == [1, 10]
    keys = [column.key for column in table.on_screen.columns]
    assert keys.index("answer_passes") == keys.index("measured_fine_tuning_costs") + 1
    assert "RanMASK answer by several passes of the model" in guard_caption([plain, own], [])[0]


def test_certified_accuracy_counts_right_texts_by_their_radius() -> None:
    wrong, none = CERTIFICATE | {"right": False}, CERTIFICATE | {"radius": None, "abstains": True}
    own = guarded()
    found = result(own, CERTIFICATE, CERTIFICATE | {"radius": 0}, CERTIFICATE | {"distance": None}, wrong)
    values = row(table1([own], [found], RECIPES, []))
    expected = {0: 75, 1: 50, 2: 50, 3: 0}
    assert {words: values[f"certified_{words}_words_percent"].mean for words in expected} == expected
    assert values["certified_3_words_released_percent"].mean == 75
    assert (values["median_radius"].mean, values["certifying_copies"].mean) == (2, 500)
    assert values["textfooler_uncovered_percent"].mean == 100
    doubtful = result(own, none, none, CERTIFICATE, CERTIFICATE)
    assert row(table1([own], [doubtful], RECIPES, []))["abstention_percent"].mean == 50


def test_a_success_by_chance_is_lost_in_the_first_flip_column_alone() -> None:
    own = guarded()
    values = row(table1([own], [result(own, first_flip=True)], RECIPES, []))
    assert values["textfooler_aua_percent"].mean == 50 and values["textfooler_first_flip_aua_percent"].mean == 0


def test_a_row_without_attacks_is_blank() -> None:
    columns = guard_columns(RECIPES, [result(guarded(), *[CERTIFICATE] * 4)])
    assert all(math.isnan(cell.mean) for cell in guard_cells(columns, []))


def test_a_refuted_certificate_is_in_the_caption_and_fails_the_folder(tmp_path) -> None:
    own = guarded()
    refuted = result(own, CERTIFICATE, CERTIFICATE, CERTIFICATE | {"contradicted": True}, CERTIFICATE)
    assert "1 certificates were refuted by an attack: they prove nothing." in guard_caption([own], [refuted])
    store = Store(tmp_path)
    store.put_training(own)
    for each in refuted.outcomes:
        store.append_outcome(refuted.record.key, each)
    store.put_attack(refuted.record)
    found = [finding.what for finding in verify(store)]
    assert "test-2 has a certificate of 2 words that its attack refuted" in found
    assert store.outcomes(refuted.record.key) == list(refuted.outcomes)


@pytest.mark.parametrize("changes", [{"radius": "2"}, {"right": None}])
def test_a_malformed_certificate_is_refused(tmp_path, changes) -> None:
    store = Store(tmp_path)
    broken = replace(outcome(0), certificate=CERTIFICATE | changes)
    store.append_outcome("0" * 64, broken)
    with pytest.raises(RuntimeError, match="certificate"):
        store.outcomes("0" * 64)
