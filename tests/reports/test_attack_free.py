"""The table of a set pairs each text with its original."""

from __future__ import annotations

import math

import pytest

from benchmarks.results.records import EvaluationRecord
from benchmarks.results.store import Store, content_key
from reports.attack_free import rebuild, set_table, table_of_sets


def put(store: Store, right: str, name: str = "model", **which: object) -> EvaluationRecord:
    identity = {"task": "sst2", "data": "d", "max_length": 8, "external": name} | which
    machine = {"processor": "one", "gpus": []}
    record = EvaluationRecord(
        content_key(identity), identity, "sst2", name, {}, 1.0, None, right, machine, {}, "2026-01-01T00:00:00+00:00"
    )
    store.put_evaluation(record)
    return record


def test_a_row_has_accuracy_and_the_paired_difference(tmp_path) -> None:
    store = Store(tmp_path)
    plain = put(store, "1110")
    record = put(store, "1001", data="e", set={"title": "typos", "name": "typos", "rate": 0.1}, original=plain.key)
    alone = put(store, "1001", name="other", data="e", set={"title": "typos", "name": "typos", "rate": 0.1})
    put(store, "11", data="f", set={"title": "typos", "name": "typos", "rate": 0.2})
    table = table_of_sets(store, [record])
    first, second = table.records()
    assert (first["method"], second["method"]) == ("model", "other")
    assert (first["accuracy_percent"], first["original_accuracy_percent"], first["texts"]) == (50, 75, 4)
    assert first["consistent_percent"] == 25 and second["consistent_percent"] is None
    assert first["difference_percent"] == -25 and first["difference_percent_low"] == pytest.approx(-100)
    assert first["difference_percent_high"] == pytest.approx(50)
    assert second["difference_percent"] is None and second["accuracy_percent"] == 50
    assert rebuild(store, {"sources": table.sources}) == table == set_table(store, [record, alone])
    assert math.isnan(table.rows[1][6].mean)


def test_missing_originals_are_an_error(tmp_path) -> None:
    store = Store(tmp_path)
    record = put(store, "1", set={"title": "s", "name": "s"}, original="0" * 64)
    with pytest.raises(KeyError):
        set_table(store, [record])
