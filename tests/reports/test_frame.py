"""Records as frames."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from made_up import attack, outcome, training

from reports.frame import AttackResult, attack_frame, conditions, counted_seconds, training_frame
from reports.statistics import require_comparable


def test_percentages_are_derived() -> None:
    frame = training_frame([training(), training("pgd", status="diverged", clean_correct="")])
    assert frame.clean_percent[0] == 75
    assert frame.kept_percent[0] == 80
    assert math.isnan(frame.clean_percent[1]) and math.isnan(frame.seconds[1])


def test_partial_attacks_are_left_out() -> None:
    record = attack(training())
    outcomes = [outcome(0, "skipped"), outcome(1, "successful", 20), outcome(2, "failed", 30), outcome(3, "failed", 40)]
    whole, partial = AttackResult(record, outcomes), AttackResult(record, outcomes[:3])
    twice = AttackResult(record, [*outcomes[:3], outcomes[2]])
    frame = attack_frame([whole, partial, twice])
    assert len(frame) == 1
    assert (frame.subset_clean_percent[0], frame.aua_percent[0], frame.queries[0]) == (75, 50, 30)


def test_an_attack_of_which_too_many_texts_broke_is_left_out() -> None:
    record = attack(training(), texts=100)
    outcomes = [outcome(number) for number in range(98)]
    one = AttackResult(record, [*outcomes, outcome(98), outcome(99, "error", error="x")])
    two = AttackResult(record, [*outcomes, outcome(98, "error", error="x"), outcome(99, "error", error="x")])
    frame = attack_frame([one, two])
    assert list(frame.errors) == [1] and list(frame.aua_percent) == [99]


def test_conditions_tell_clocks_and_machines_apart() -> None:
    assert conditions(training()) == conditions(training("pgd", seed=43))
    assert conditions(training()) != conditions(training(clock="cuda"))
    assert conditions(training()) != conditions(training(machine={"processor": "y", "gpus": [], "threads": 2}))


def test_captured_and_other_runs_stand_on_differing_conditions() -> None:
    plain = training()
    captured = replace(plain, identity=plain.identity | {"capture": True})
    with pytest.raises(ValueError, match="capture"):
        require_comparable(conditions(plain), conditions(captured))


def test_the_seconds_of_an_invalid_run_do_not_count() -> None:
    watch = {"available": "yes", "invalid": ["hardware slowdown in 9 % of samples"]}
    records = [training(seed=42), training(seed=43, watch=watch), training(seed=44, status="diverged")]
    assert counted_seconds(records) == {42: 10.0}
    runs = training_frame(records[:2])
    assert list(runs.seconds.isna()) == [False, True]
    assert list(runs.clean_percent.isna()) == [False, False]


def test_outcomes_come_in_the_order_in_which_their_texts_were_drawn() -> None:
    result = AttackResult(attack(training(), texts=3), [outcome(2), outcome(0), outcome(1)])
    assert [each.example_id for each in result.in_order()] == ["test-0", "test-1", "test-2"]
    one_model, another = ({"processor": "x", "gpus": [gpu], "threads": 2} for gpu in ("NVIDIA H100", "NVIDIA A100"))
    with pytest.raises(ValueError, match="gpus"):
        require_comparable(conditions(training(machine=one_model)), conditions(training("pgd", machine=another)))
