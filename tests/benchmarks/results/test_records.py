"""Outcomes as JSON."""

import json

from made_up import outcome

from benchmarks.results.records import Outcome


def test_outcomes_survive_json() -> None:
    original = outcome(3, "successful", original=("q", "s"), perturbed=("q2", "s"), similarity=None)
    assert Outcome.from_json(json.loads(json.dumps(original.as_json()))) == original
