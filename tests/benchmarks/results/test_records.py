"""Outcomes as JSON."""

import json
from dataclasses import replace

import pytest
from made_up import attack, outcome, stage, training

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
        ("perturbed", ["one", "two"]),
        ("original", []),
        ("original", ["one", "two", "three"]),
        ("similarity", "0.9"),
        ("similarity", float("nan")),
        ("similarity", float("-inf")),
        ("example_id", None),
    ],
)
def test_an_outcome_of_other_types_is_refused(field: str, value: object) -> None:
    with pytest.raises((TypeError, KeyError, ValueError), match=field):
        Outcome.from_json(outcome(3).as_json() | {field: value})


def test_a_record_is_held_to_its_types() -> None:
    assert typed(training()) == training()
    for changes in ({"clean_correct": 3}, {"stages": "none"}, {"flags": [1]}, {"machine": None}, {"status": "done"}):
        with pytest.raises(TypeError, match=next(iter(changes))):
            typed(training(**changes))


def without(values: dict, name: str) -> dict:
    return {each: value for each, value in values.items() if each != name}


SEARCHED = {"converged": True, "draw_epoch": 0.2, "stop_epoch": 0.5, "kept": {"heads": [2]}}
WRONG = {
    "no seconds of the clock": ({"seconds": {"wall": 1.0}}, "seconds lacks gpu"),
    "seconds in words": ({"seconds": {"gpu": "ten", "wall": 1.0}}, r"seconds\.gpu"),
    "seconds without end": ({"seconds": {"gpu": float("inf"), "wall": 1.0}}, r"seconds\.gpu: inf is no number"),
    "threads that are no number": (
        {"machine": {"processor": "x", "gpus": [], "threads": float("nan")}},
        "threads: nan",
    ),
    "an infinite rate": ({"identity": {"settings": {"rates": [1.0, float("inf")]}}}, r"settings\.rates: inf is no"),
    "an epoch that never ends": ({"stages": [stage(epochs=float("inf"))]}, r"stages\[0\]\.epochs: inf"),
    "a processor without a name": ({"machine": {"processor": None}}, r"machine\.processor"),
    "no processor": ({"machine": {"gpus": []}}, "machine lacks processor"),
    "settings that are none": ({"identity": {"settings": [3]}}, r"identity\.settings"),
    "a watch without reasons": ({"watch": {"available": False}}, "watch lacks invalid"),
    "a stage without losses": ({"stages": [without(stage(), "losses")]}, r"stages\[0\] lacks losses"),
    "a stage without its name": ({"stages": [stage(), without(stage(), "name")]}, r"stages\[1\] lacks name"),
    "losses in words": ({"stages": [stage(losses=["low"])]}, r"stages\[0\]\.losses"),
    "passes of another name": ({"stages": [stage(passes={"sideways": 3})]}, "names what no pass is called"),
    "an epoch without updates": ({"stages": [stage(updates_per_epoch=0)]}, "an epoch without one"),
    "fewer than no updates": ({"stages": [stage(updates=-1)]}, "fewer than no updates"),
    "masks in words": ({"stages": [stage(trace={"mask_distances": {"heads": ["far"]}})]}, "mask_distances"),
    "a stop without its epoch": ({"stages": [stage(trace=without(SEARCHED, "stop_epoch"))]}, "lacks stop_epoch"),
    "tickets that keep words": ({"stages": [stage(trace={"kept": {"heads": "all"}})]}, "kept"),
    "a model without parameters": ({"parameters_before": 0}, "parameters_before is 0"),
}


@pytest.mark.parametrize("fault", WRONG)
def test_what_reports_take_out_of_a_record_is_there_and_of_its_type(fault: str) -> None:
    changes, sentence = WRONG[fault]
    assert typed(training(stages=[stage(), stage(trace=SEARCHED)], watch={"invalid": []}))
    with pytest.raises((TypeError, ValueError), match=sentence):
        typed(replace(training(), **changes))


def test_a_training_that_failed_says_nothing_of_a_model() -> None:
    assert typed(training(status="failed", parameters_before=0, parameters_kept=0, stages=[]))


def test_an_attack_is_held_to_what_reports_take_out_of_it_too() -> None:
    assert typed(attack(training()))
    with pytest.raises(TypeError, match="machine lacks processor"):
        typed(replace(attack(training()), machine={}))
    with pytest.raises(ValueError, match="seconds: inf is no number"):
        typed(replace(attack(training()), seconds=float("inf")))


def test_the_losses_of_a_training_that_diverged_are_no_numbers() -> None:
    assert typed(training(status="diverged", stages=[stage(losses=[1.0, float("nan")])]))
