"""Outcomes as JSON."""

import json

import pytest
from made_up import outcome, training

from benchmarks.results.records import Outcome, typed


def test_outcomes_survive_json() -> None:
    original = outcome(3, "successful", original=("q", "s"), perturbed=("q2", "s"), similarity=None)
    assert Outcome.from_json(json.loads(json.dumps(original.as_json()))) == original


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("queries", "10"),
        ("status", "withstood"),
        ("original", "a good film"),
        ("perturbed", [1]),
        ("similarity", "0.9"),
        ("example_id", None),
    ],
)
def test_an_outcome_of_other_types_is_refused(field: str, value: object) -> None:
    with pytest.raises((TypeError, KeyError), match=field):
        Outcome.from_json(outcome(3).as_json() | {field: value})


def test_a_record_is_held_to_its_types() -> None:
    assert typed(training()) == training()
    for changes in ({"clean_correct": 3}, {"stages": "none"}, {"flags": [1]}, {"machine": None}, {"status": "done"}):
        with pytest.raises(TypeError, match=next(iter(changes))):
            typed(training(**changes))
