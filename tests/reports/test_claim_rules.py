"""The measurements behind verdicts: rules, single runs, missing sides, unlike times."""

from __future__ import annotations

import math

import pytest
from made_up_victims import Made

from reports.claim_rules import Part, above, corrected, faster, more_robust, settled, within
from reports.measured import measure
from reports.statistics import Estimate
from reports.task_results import task_results


def tasks_of(made: Made) -> list:
    return task_results(measure(made.trainings, made.results))


def test_rules_are_decided_by_the_whole_interval() -> None:
    def estimate(low: float, high: float) -> Estimate:
        return Estimate((low + high) / 2, low, high, 3)

    assert [above(0).verdict(estimate(*each)) for each in ((1, 2), (-2, -1), (-1, 1), (0, 0))] == [
        "supported",
        "not supported",
        "inconclusive",
        "inconclusive",
    ]
    assert [within(2).verdict(estimate(*each)) for each in ((-1, 1), (3, 4), (-4, -3), (-3, 0))] == [
        "supported",
        "not supported",
        "not supported",
        "inconclusive",
    ]
    assert above(0).verdict(estimate(math.nan, math.nan)) == "inconclusive"


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
        ("IMDB: Aua %", None, "not measured", "no such run"),
        ("AG News: Aua %", None, "not measured", "no such run"),
    ]


def speedups(made: Made) -> dict[str, Part]:
    """The ratios of single methods by their titles, and the two that decide by their bounds."""
    parts = faster(tasks_of(made))
    return {"7": parts[0], "13": parts[1]} | {part.what.split(": ")[1].split("'s")[0]: part for part in parts[2:]}


def test_times_under_different_conditions_are_no_speedup() -> None:
    part = speedups(Made().add("early_robust").add("pgd", clock="cuda"))["PGD"]
    assert (part.estimate, part.note) == (None, "times are not comparable: clock is 'cuda' and 'host'")


def test_a_speedup_is_paired_by_run_and_states_the_ascent_steps() -> None:
    made = Made().add("early_robust", seconds=0.0).add("freelb", seconds=0.0, settings={"steps": 4})
    part = speedups(made)["FreeLB"]
    assert part.what == "SST-2: FreeLB's training time over EarlyRobust's"
    assert (part.estimate.value, part.estimate.runs, part.estimate.texts) == (1, 3, None)
    assert part.verdict is None, "one method's ratio decides nothing by itself"
    assert part.note == "K 4, in EarlyRobust's search 5; clock host"


def test_the_largest_speedup_decides_and_names_its_method() -> None:
    made = Made().add("early_robust", seconds=1.0).add("pgd", seconds=6.0).add("robust_ticket", seconds=40.0)
    found = speedups(made)
    assert (found["7"].verdict, found["13"].verdict) == ("supported", "supported")
    assert found["13"].estimate == found["RobusT"].estimate and "RobusT" in found["13"].note
    found = speedups(Made().add("early_robust", seconds=10.0).add("pgd", seconds=20.0))
    assert (found["7"].verdict, found["13"].verdict) == ("inconclusive", "inconclusive")
    assert "11 of the paper's ratios were not measured" in found["7"].note


def test_a_speedup_says_what_the_released_code_would_make_of_it() -> None:
    made = Made().add("early_robust", seconds=9.58).add("pgd", seconds=49.58).add("info_bert", seconds=79.58)
    made.add("freelb", seconds=20.0)
    found = speedups(made)
    # PGD with K = 5 makes 13 units of passes, the released one 18; InfoBERT 4 K and 5 K
    assert found["PGD"].note.endswith("6.9 × at the cost of the released code, 96 % of what is missing to 7")
    assert found["InfoBERT"].note.endswith("10.0 × at the cost of the released code")
    assert "released" not in found["FreeLB"].note
    made = Made().add("early_robust").add("pgd", settings={"ascent_backward": "full"})
    assert "released" not in speedups(made)["PGD"].note, "it was trained at the released cost"


def test_one_block_has_no_interval_and_decides_nothing() -> None:
    found = speedups(Made().add("early_robust", seeds=(42,)).add("pgd", seconds=99.0, seeds=(42,)))
    assert math.isnan(found["7"].estimate.low) and found["7"].verdict == "inconclusive"
    assert found["PGD"].note.split("; ")[2] == "one block has no interval"


def test_a_part_alone_against_a_claim_of_many_is_corrected_by_holm() -> None:
    def part(p_against: float, verdict: str) -> Part:
        return Part("x", "points", Estimate(-1.0, -2.0, -0.1, 3), verdict, "note", p_against)

    parts = [part(0.02, "not supported"), *[part(0.5, "inconclusive")] * 11]
    assert [each.verdict for each in corrected(parts[:1])] == ["not supported"]
    found = corrected(parts)
    assert {each.verdict for each in found} == {"inconclusive"}
    assert found[0].note == "note; against the claim by itself, not after Holm's correction over 12 parts"
    parts[0] = part(0.002, "not supported")
    assert corrected(parts)[0].verdict == "not supported"


def test_the_p_value_of_a_part_agrees_with_its_interval() -> None:
    for aua in (60, 90, 98, 101, 103, 120):
        part = more_robust(tasks_of(Made().add("early_robust", aua=aua).add("fine_tune")))[0]
        assert (part.verdict == "not supported") == (part.p_against < 0.025)
        assert part.verdict != "supported" or part.p_against > 0.975


def search(first: int, masks: int, updates: int = 2104, gamma: float = 0.1) -> dict:
    """The stage of a search that heard so many masks, of which those from `first` on are alike."""
    distances = [
        [0.0 if min(one, other) >= first or one == other else gamma for other in range(1, masks + 1)]
        for one in range(1, masks + 1)
    ]
    trace = {"draw_epoch": 0.4, "stop_epoch": 0.4}
    trace["boundaries"] = [{"update": int(updates * one / 20)} for one in range(1, masks + 1)]
    trace["mask_distances"] = {"heads": distances, "neurons": distances}
    return {"name": "search", "updates_per_epoch": updates, "trace": trace}


def first_mask(*stages: dict, **settings) -> Part:
    made = Made()
    for seed, stage in enumerate(stages, 42):
        made.add("early_robust", seeds=(seed,), stages=[stage], settings=settings)
    (part,) = settled(tasks_of(made))
    return part


def test_the_first_mask_of_the_settled_run_counts_not_the_drawn_one() -> None:
    part = first_mask(search(3, 8), search(4, 9))
    assert (part.estimate.value, part.estimate.low, part.estimate.high) == pytest.approx((0.175, 0.15, 0.2), abs=1e-3)
    assert part.verdict == "supported", "the mask of 0.15 epoch is heard at update 315 of 2104, before 0.15"
    assert part.note == "drawn at 0.40, stopped at 0.40; the interval is the range over runs"
    assert first_mask(search(7, 12), search(8, 13)).verdict == "not supported"
    assert first_mask(search(3, 8), search(8, 13)).verdict == "inconclusive"


def test_every_stop_rule_has_a_first_mask() -> None:
    for rule, masks, first in (("consecutive", 8, 3), ("anchor", 8, 3), ("fifo", 7, 3)):
        part = first_mask(search(3, masks), search(3, masks), stop_rule=rule)
        assert part.estimate.value == pytest.approx(0.05 * first, abs=1e-3), rule


def test_a_search_whose_masks_never_settle_speaks_against_the_claim() -> None:
    part = first_mask(search(9, 9), search(9, 9))
    assert part.verdict == "not supported" and part.note.endswith("2 of 2 runs did not settle")
    assert part.estimate.value == pytest.approx(0.4)


def test_a_short_epoch_measures_nothing_about_when_masks_settle() -> None:
    part = first_mask(search(3, 8, updates=125), search(3, 8, updates=125))
    assert (part.estimate, part.verdict) == (None, "not measured")
    assert part.note == "an epoch has 125 updates: below 200 its mini-epochs are too coarse"
    assert first_mask(search(3, 8, updates=200), search(3, 8, updates=200)).verdict == "supported"
