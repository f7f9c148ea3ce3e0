"""Tables of variants from made-up records: changes, pairs of seeds, blanks, recipes in another's column."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_up import attack, outcome, training

from benchmarks.experiments.catalogue import EXPERIMENTS, PLAIN
from benchmarks.experiments.experiment import Variant
from reports.frame import AttackResult
from reports.kinds.of_variants import only_renames
from reports.kinds.variants import variant_table
from reports.variant_runs import VariantRuns

RECIPES = {"textfooler": "TextFooler"}
TABLE3 = EXPERIMENTS["table3"]


def run(seed: int, seconds: float, clean: str, withstood: int, draw: float | None = 0.3, recipe: str = "textfooler"):
    """A training and an attack on four texts, `withstood` of which stay right."""
    stages = [] if draw is None else [{"name": "search", "trace": {"draw_epoch": draw, "stop_epoch": draw + 0.25}}]
    record = training("early_robust", seed, seconds, clean_correct=clean, stages=stages)
    outcomes = [outcome(number, "failed" if number < withstood else "successful") for number in range(4)]
    return record, AttackResult(attack(record, recipe), outcomes)


def group(variant: Variant, *runs, missing: int = 0) -> VariantRuns:
    return VariantRuns("sst2", variant, tuple(one for one, _ in runs), tuple(two for _, two in runs), missing)


PLAIN_RUNS = group(PLAIN, run(42, 10, "1110", 2), run(43, 20, "1111", 4))
OTHER = Variant("other", "Other")


def rows(*groups: VariantRuns, recipes=RECIPES) -> list[dict]:
    return variant_table(TABLE3, groups, recipes, []).records()


def test_changes_are_paired_by_seed_and_times_are_ratios() -> None:
    other = group(OTHER, run(43, 40, "1100", 2, draw=0.5), run(42, 5, "1110", 2, draw=0.4))
    first, second = rows(PLAIN_RUNS, other)
    assert (first["clean_percent"], first["textfooler_aua_percent"]) == (87.5, 75)
    assert first["clean_percent_change"] is first["training_time_ratio"] is first["draw_epoch_change"] is None
    assert second["clean_percent_change"] == pytest.approx((0 - 50) / 2)
    assert second["textfooler_aua_percent_change"] == pytest.approx((0 - 50) / 2)
    assert second["draw_epoch_change"] == pytest.approx(0.15)
    assert second["training_time_ratio"] == pytest.approx(1.0), "half as long once, twice as long once"
    assert (second["stop_epoch"], second["runs"]) == (pytest.approx(0.7), 2)


def test_changes_of_aua_have_an_interval_over_the_same_runs_and_texts() -> None:
    first, second = rows(PLAIN_RUNS, group(OTHER, run(42, 5, "1110", 1), run(43, 40, "1100", 3)))
    assert second["textfooler_aua_percent_change"] == -25
    assert second["textfooler_aua_percent_change_low"] < -25 < second["textfooler_aua_percent_change_high"] <= 25
    assert first["textfooler_aua_percent_change_low"] is None
    same = rows(PLAIN_RUNS, group(OTHER, run(42, 5, "1110", 2), run(43, 40, "1100", 4)))[1]
    assert [same[f"textfooler_aua_percent_change{end}"] for end in ("", "_low", "_high")] == [0, 0, 0]


def test_attacks_on_other_texts_are_not_subtracted() -> None:
    record, attacked = run(42, 5, "1110", 2)
    fewer = AttackResult(replace(attacked.record, example_ids=attacked.record.example_ids[:3]), attacked.outcomes[:3])
    second = rows(PLAIN_RUNS, group(OTHER, (record, fewer)))[1]
    assert second["textfooler_aua_percent"] == pytest.approx(200 / 3)
    assert second["textfooler_aua_percent_change"] is None


def test_a_change_rests_on_the_seeds_both_have() -> None:
    _, second = rows(PLAIN_RUNS, group(OTHER, run(43, 40, "1111", 3), missing=1))
    assert second["clean_percent_change"] == 0
    assert second["training_time_ratio"] == pytest.approx(2)
    table = variant_table(TABLE3, [PLAIN_RUNS, group(OTHER, run(43, 40, "1111", 3), missing=1)], RECIPES, [])
    assert table.incomplete and not variant_table(TABLE3, [PLAIN_RUNS], RECIPES, []).incomplete


def test_a_ticket_without_a_search_has_no_draw() -> None:
    _, second = rows(PLAIN_RUNS, group(OTHER, run(42, 5, "1110", 2, draw=None)))
    assert second["draw_epoch"] is second["draw_epoch_change"] is None
    assert second["training_time_ratio"] == pytest.approx(0.5)


def test_every_task_is_compared_with_its_own_first() -> None:
    elsewhere = replace(group(PLAIN, run(42, 10, "0000", 0)), task="imdb")
    found = rows(PLAIN_RUNS, elsewhere, replace(group(OTHER, run(42, 10, "1000", 1)), task="imdb"))
    assert [row["clean_percent_change"] for row in found] == [None, None, 25]


def test_changes_along_a_curve_are_told_from_the_default() -> None:
    points = [group(Variant(key, key), run(42, 10, clean, 2)) for key, clean in (("a", "1000"), ("gamma=0.1", "1100"))]
    found = variant_table(EXPERIMENTS["figure3"], points, RECIPES, []).records()
    assert [row["clean_percent_change"] for row in found] == [-25, None]
    alone = variant_table(EXPERIMENTS["figure3"], points[:1], RECIPES, []).records()
    assert alone[0]["clean_percent_change"] is None, "without the default, from the first"


def test_times_under_different_conditions_are_not_divided() -> None:
    record, attacked = run(42, 5, "1110", 2)
    alike = rows(PLAIN_RUNS, group(OTHER, (record, attacked)))[1]
    unlike = rows(PLAIN_RUNS, group(OTHER, (replace(record, clock="cuda"), attacked)))[1]
    assert {name for name in alike if alike[name] != unlike[name]} == {"training_time_ratio"}
    assert unlike["training_time_ratio"] is None


def test_a_variant_may_stand_for_another_recipe() -> None:
    renamed = Variant("b", "B", recipes={"textfooler": "textbugger"})
    both = group(renamed, run(42, 10, "1110", 1, recipe="textbugger"), run(42, 10, "1110", 3))
    assert rows(PLAIN_RUNS, both)[1]["textfooler_aua_percent"] == 25


def test_a_variant_that_is_only_another_recipe_falls_away_where_the_recipe_is_not_run() -> None:
    renamed = Variant("b", "B", recipes={"bertattack": "bertattack_official"})
    assert only_renames(renamed, RECIPES) and not only_renames(renamed, ["bertattack"])
    assert len(rows(PLAIN_RUNS, group(renamed))) == 1
