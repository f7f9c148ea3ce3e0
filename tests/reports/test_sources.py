"""Records that a table names."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up_victims import Made

from benchmarks.results.store import Store
from reports.sources import results_of, there, trainings_of


def test_named_records_are_found_and_one_that_is_not_there_is_named(tmp_path: Path) -> None:
    made = Made().add("fine_tune", seeds=(42,))
    store = Store(made.store(tmp_path), writable=False)
    sources = {"trainings": list(made.trainings), "attacks": [result.record.key for result in made.results]}
    assert [record.key for record in trainings_of(store, sources)] == sources["trainings"]
    assert [result.outcomes for result in results_of(store, sources)] == [made.results[0].outcomes]
    for found in (trainings_of, results_of):
        with pytest.raises(KeyError, match="aaaaaaaa"):
            found(store, {"trainings": ["a" * 64], "attacks": ["a" * 64]})
    assert there(1, "x") == 1
