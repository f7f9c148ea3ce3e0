"""Table 1 from made-up records: order, blanks, speedups, caption."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import pytest
from made_up import attack, outcome, training
from rich.console import Console

from baselines.defense import Passes
from baselines.fine_tune import FineTune
from baselines.freelb import FreeLB
from baselines.pgd import PGD
from baselines.smart import SMART
from method.early_robust import EarlyRobust
from reports.frame import AttackResult
from reports.table1 import TITLE, _levels, _reweighted, _tickets, schedules, table1, troubles
from reports.tables import Number

RECIPES = {"textfooler": "TextFooler"}


def runs() -> tuple[list, list[AttackResult]]:
    trained = [
        training("freelb", 42, 40.0, title="FreeLB", settings=FreeLB().changed(steps=4).settings()),
        training("fine_tune", 42, 10.0, title="Fine-tune", settings=FineTune().settings()),
        training("fine_tune", 43, 12.0, title="Fine-tune", settings=FineTune().settings()),
        training("freelb", 43, 48.0, title="FreeLB", settings=FreeLB().changed(steps=4).settings()),
    ]
    outcomes = [outcome(0), outcome(1), outcome(2, "successful", 20), outcome(3, "skipped")]
    return trained, [AttackResult(attack(record), outcomes) for record in trained]


def cells(table, row: int) -> dict:
    return {column.key: cell for column, cell in zip(table.columns, table.rows[row], strict=True)}


def test_rows_are_in_the_paper_s_order_with_means_over_runs() -> None:
    trained, attacks = runs()
    table = table1(trained, attacks, RECIPES, ["caption"])
    assert table.title == TITLE and [row[1] for row in table.rows] == ["Fine-tune", "FreeLB"]
    first, second = cells(table, 0), cells(table, 1)
    assert first["training_seconds"].mean == 11
    assert first["textfooler_aua_percent"].mean == 50
    assert first["textfooler_queries"].mean == pytest.approx(40 / 3)
    assert second["speedup_over_fine_tune"].mean == pytest.approx(0.25)
    assert first["speedup_over_freelb"].mean == pytest.approx(4)
    assert second["predicted_fine_tuning_costs"].mean == pytest.approx(4)
    assert second["measured_fine_tuning_costs"].mean == pytest.approx(4)
    assert second["runs"].mean == 2
    assert not table.incomplete


def test_a_partial_attack_leaves_a_blank_and_says_so() -> None:
    trained, attacks = runs()
    only = [AttackResult(each.record, each.outcomes[:2]) for each in attacks]
    table = table1(trained, only, RECIPES, [])
    assert table.incomplete
    assert str(cells(table, 0)["textfooler_aua_percent"]) == "–"


def test_a_diverged_run_is_counted_out_and_named() -> None:
    trained, attacks = runs()
    trained[0] = replace(trained[0], status="diverged", clean_correct="")
    table = table1(trained, attacks, RECIPES, [])
    assert table.incomplete
    assert cells(table, 1)["runs"].mean == 1
    assert "Diverged and blank: FreeLB seed 42." in troubles(trained, attacks)


def test_broken_attacks_are_counted_in_the_caption() -> None:
    trained, attacks = runs()
    broken = AttackResult(attacks[0].record, [outcome(0, "error"), *attacks[0].outcomes[1:]])
    (note,) = (line for line in troubles(trained, [broken]) if "texts broke: no reason was kept" in line)
    assert note.startswith("1 of ") and note.endswith("the same command attacks them again.")
    assert "1 attacks are left blank: more than 1 % of their texts broke." in troubles(trained, [broken])
    assert table1(trained, [broken, *attacks[1:]], RECIPES, []).incomplete


def test_a_time_that_does_not_count_is_in_no_ratio() -> None:
    trained, attacks = runs()
    watch = {"invalid": ["hardware slowdown in 9 % of samples"]}
    trained[3] = replace(trained[3], seconds={"gpu": 4800.0, "wall": 4800.0}, watch=watch)
    table = table1(trained, attacks, RECIPES, [])
    assert cells(table, 0)["speedup_over_freelb"].mean == pytest.approx(4)


def test_times_under_different_conditions_are_not_divided_and_what_differs_is_named() -> None:
    trained, attacks = runs()
    trained[0] = replace(trained[0], clock="cuda")
    table = table1(trained, attacks, RECIPES, [])
    assert math.isnan(cells(table, 0)["speedup_over_freelb"].mean)
    assert cells(table, 1)["textfooler_aua_percent"].mean == 50, "accuracies stay"
    (sentence,) = troubles(trained, attacks)
    assert "times are not comparable: clock is 'cuda' and 'host'" in sentence


def test_times_under_unlike_schedules_are_not_divided_and_the_caption_names_each() -> None:
    trained, attacks = runs()
    for number in (1, 2):
        bare = FineTune(weight_decay=0.0).settings()
        trained[number] = replace(trained[number], identity=trained[number].identity | {"settings": bare})
    assert math.isnan(cells(table1(trained, attacks, RECIPES, []), 0)["speedup_over_freelb"].mean)
    (sentence,) = troubles(trained, attacks)
    assert "times are not comparable: weight_decay is" in sentence
    words = "10 epochs, AdamW at 2e-05 falling to 0, warm-up over 10 % of the updates, weight decay"
    assert schedules(trained) == [
        f"Schedule of FreeLB: {words} 0.01, gradients clipped at 1.",
        f"Schedule of Fine-tune: {words} 0, gradients clipped at 1.",
    ]
    assert schedules(trained[:1]) == [f"Schedule of every method: {words} 0.01, gradients clipped at 1."]


def test_a_flag_s_reason_stands_once_with_how_many_runs_and_which_methods() -> None:
    trained, _ = runs()
    flags = (
        ["contention: other processes kept 1.0 of 2 cores busy", "drift: search", "drift: fine_tune"],
        ["resumed 2 times"],
    )
    flagged = [
        replace(trained[0], flags=flags[0]),
        replace(trained[1], flags=flags[0][:1]),
        replace(trained[2], flags=flags[1]),
    ]
    assert troubles(flagged, []) == [
        f"Flagged, contention: 2 of 3 runs ({trained[0].title}, {trained[1].title}).",
        f"Flagged, drift: 1 of 3 runs ({trained[0].title}).",
        f"Flagged, resumed: 1 of 3 runs ({trained[2].title}).",
    ]
    slow = [{"invalid": [f"hardware slowdown in {share} % of samples"], "warnings": []} for share in (3, 9)]
    throttled = [replace(record, watch=watch) for record, watch in zip(trained, slow, strict=False)]
    assert troubles(throttled, []) == ["Time not counted, hardware slowdown: all 2 runs."]


def test_runs_are_told_apart_by_the_names_of_their_variants_and_by_task() -> None:
    trained, _ = runs()
    untimed = {"invalid": ["timing was not asked for: other work"], "warnings": []}
    variants = [replace(trained[0], key=key, watch=untimed, flags=["drift: train"]) for key in ("a", "b", "c", "d")]
    quiet = replace(trained[0], key="e")
    names = {"a": "random ticket", "b": "random ticket", "c": "γ = 0.3", "d": "γ = 0.1", "e": "EarlyRobust"}
    assert troubles([*variants, quiet], [], names) == [
        "Time not counted, timing was not asked for: 4 of 5 runs (random ticket, γ = 0.3, γ = 0.1).",
        "Flagged, drift: 4 of 5 runs (random ticket, γ = 0.3, γ = 0.1).",
    ]
    assert troubles([variants[0], variants[0]], [], names) == troubles(variants[:1], [], names), "rows may share a run"
    elsewhere = replace(variants[2], task="imdb", status="diverged", watch={"invalid": [], "warnings": []}, flags=[])
    assert troubles([variants[0], elsewhere], [], names)[:2] == [
        "Diverged and blank: γ = 0.3 on IMDB seed 42.",
        "Time not counted, timing was not asked for: 1 of 2 runs (random ticket on SST-2).",
    ]


def test_a_method_of_the_user_s_is_predicted_from_its_counted_passes() -> None:
    """Two epochs of four updates, each of two forward and two full backward passes."""
    stage = {"passes": vars(Passes(16, 16, 0)), "updates_per_epoch": 4, "trace": {}}
    mine = training("mine", title="Mine", settings={"epochs": 2}, stages=[stage])
    assert cells(table1([mine], [], RECIPES, []), 0)["predicted_fine_tuning_costs"].mean == 2
    bare = table1([training("mine", title="Mine")], [], RECIPES, [])
    assert math.isnan(cells(bare, 0)["predicted_fine_tuning_costs"].mean)
    assert isinstance(cells(bare, 0)["clean_percent"], Number)


def test_a_method_of_the_tree_beyond_the_table_s_seven_has_one() -> None:
    record = training("smart", title="SMART", settings=SMART(steps=2, proximal=0).identity())
    assert cells(table1([record], [], RECIPES, []), 0)["predicted_fine_tuning_costs"].mean == pytest.approx(10 / 3)


def test_a_ticket_s_prediction_follows_its_objectives() -> None:
    """Half an epoch of search at three times fine-tuning's cost, ten epochs at 0.747 of it twice."""
    defense = EarlyRobust(search=PGD().changed(epochs=1, steps=3), fine_tuning=FreeLB().changed(steps=2))
    stages = [{"name": "search", "epochs": 0.5, "trace": {}}, {"name": "fine_tune", "epochs": 10, "trace": {}}]
    record = training("early_robust", title="EarlyRobust", settings=defense.identity(), stages=stages)
    predicted = cells(table1([record], [], RECIPES, []), 0)["predicted_fine_tuning_costs"].mean
    assert predicted == pytest.approx((0.5 * 3 + 14.94) / 10, abs=0.001)


def test_how_tickets_were_drawn_is_told() -> None:
    trace = {"converged": False, "draw_epoch": 0.5, "stop_epoch": 1.0}
    record = training("early_robust", stages=[{"name": "search", "epochs": 1.0, "trace": trace}])
    (line,) = _tickets([record])
    assert line == "Tickets, in epochs of search: sst2 seed 42 drawn at 0.50, stopped at 1.00 (not settled)."


def test_levels_that_were_found_and_batches_that_were_reweighted_are_told() -> None:
    """A fixed level is a setting, and is not told."""
    search, fixed = {"name": "search", "trace": {"epochs": []}}, {"name": "train", "trace": {}}
    found = training("flooding_x", stages=[search, {"name": "train", "trace": {"level": 0.1234}}])
    assert _levels([found, training("flooding_x", 43, stages=[fixed])]) == ["Flood levels found: sst2 seed 42 0.123."]
    stages = [{"name": "train", "updates": 10, "trace": {"reweighted": count}} for count in (1, 2)]
    (line,) = _reweighted([training("dsrm", stages=[stage]) for stage in stages])
    assert "It reweighted 15% of its batches" in line
    assert _levels([training()]) == _reweighted([training()]) == []


def shown_by(table, width: int = 100) -> str:
    output = io.StringIO()
    table.print(Console(file=output, width=width))
    return output.getvalue()


def test_a_terminal_shows_one_table_of_at_most_100_columns() -> None:
    recipes = {
        "textfooler": "TextFooler",
        "textbugger": "TextBugger",
        "bertattack_official": "BERT-Attack (as released)",
    }
    titles = ["Fine-tune", "EarlyBERT", "InfoBERT", "Adversarial data augmentation", "EarlyRobust"]
    keys = ["fine_tune", "early_bert", "info_bert", "augmentation", "early_robust"]
    trained = [
        training(key, seed, 100.0 + 9 * seed, title=title)
        for key, title in zip(keys, titles, strict=True)
        for seed in (1, 3)
    ]
    lost = {"textfooler": 0, "textbugger": 1, "bertattack_official": 0}
    attacks = [
        AttackResult(
            attack(record, recipe=recipe),
            [outcome(n, "successful" if n == lost[recipe] or n < record.seed - 1 else "failed") for n in range(4)],
        )
        for record in trained
        for recipe in recipes
    ]
    table = table1(trained, attacks, recipes, [])
    text = shown_by(table)
    assert max(map(len, text.splitlines())) <= 100 and text.count("EarlyRobust") == 1
    assert all(word in text for word in ("TextFooler", "TextBugger", "BERT-Attack", "Worst", "Training", "cost"))
    assert "50.0 ± 0.0" in text, "text 0 falls to one attack and text 1 to another"
    assert f"{len(table.columns) - 7} more columns are in the files." in text
    assert "worst" not in table.to_json(), "the report of attacks holds it"


def test_a_terminal_shows_tasks_above_their_methods() -> None:
    trained = [training("fine_tune", 42, 10.0, task=task, title="Fine-tune") for task in ("sst2", "imdb")]
    lines = [line.split() for line in shown_by(table1(trained, [], RECIPES, [])).splitlines()]
    named = [words[0] for words in lines if words and words[0] in ("SST-2", "IMDB", "Fine-tune")]
    assert named == ["SST-2", "Fine-tune", "IMDB", "Fine-tune"]
