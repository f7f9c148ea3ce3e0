"""The measurements behind verdicts: rules, single runs, missing sides, unlike times."""

from __future__ import annotations

import math

from made_up_victims import Made

from reports.claim_rules import above, faster, more_robust, within
from reports.measured import measure
from reports.statistics import Estimate
from reports.task_results import task_results


def tasks_of(made: Made) -> list:
    return task_results(measure(made.trainings, made.results))


def test_rules_are_decided_by_the_whole_interval() -> None:
    def estimate(low: float, high: float) -> Estimate:
        return Estimate((low + high) / 2, low, high, 3)

    assert [above(0)(estimate(*each)) for each in ((1, 2), (-2, -1), (-1, 1), (0, 0))] == [
        "supported",
        "not supported",
        "inconclusive",
        "inconclusive",
    ]
    assert [within(-2, 2)(estimate(*each)) for each in ((-2, 2), (3, 4), (-4, -3), (-3, 0))] == [
        "supported",
        "not supported",
        "not supported",
        "inconclusive",
    ]
    assert above(0)(estimate(math.nan, math.nan)) == "inconclusive"


def test_one_run_decides_nothing() -> None:
    made = Made().add("early_robust", seeds=(42,), aua=150).add("fine_tune", seeds=(42,))
    part = more_robust(tasks_of(made))[0]
    assert part.estimate.low > 0 and part.verdict == "inconclusive"
    assert part.note == "one run: the interval is over texts alone"


def test_a_side_that_was_not_run_or_shares_nothing_is_named() -> None:
    made = Made().add("early_robust").add("fine_tune", seeds=(50,))
    parts = more_robust(tasks_of(made))
    assert [(part.what, part.estimate, part.verdict, part.note) for part in parts] == [
        ("SST-2: Aua %, EarlyRobust less Fine-tune", None, "not measured", "no run and attack in common"),
        ("SST-2: Aua %, EarlyRobust less EarlyBERT", None, "not measured", "no such run"),
    ]


def test_times_under_different_conditions_are_no_speedup() -> None:
    part = faster(tasks_of(Made().add("early_robust").add("pgd", clock="cuda")))[0]
    assert (part.verdict, part.note) == ("not measured", "times are not comparable: clock is 'cuda' and 'host'")


def test_a_speedup_is_paired_by_run_and_states_the_ascent_steps() -> None:
    made = Made().add("early_robust", seconds=0.0).add("freelb", seconds=0.0, settings={"steps": 4})
    part = faster(tasks_of(made))[1]
    assert part.what == "SST-2: FreeLB's training time over EarlyRobust's"
    assert (part.estimate.value, part.estimate.runs, part.estimate.texts) == (1, 3, None)
    assert part.verdict == "not supported"
    assert part.note == "K 4, in EarlyRobust's search 5; clock host"


def test_one_block_has_no_interval_and_decides_nothing() -> None:
    part = faster(tasks_of(Made().add("early_robust", seeds=(42,)).add("pgd", seconds=99.0, seeds=(42,))))[0]
    assert math.isnan(part.estimate.low) and part.verdict == "inconclusive"
    assert part.note.endswith("one block has no interval")
