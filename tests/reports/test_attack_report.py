"""The report on attacks: numbers by hand, texts as texts."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from made_up import attack, outcome, training
from rich.console import Console

from benchmarks.results.metrics import aua_percent, clean_percent, worst_aua_percent
from benchmarks.results.store import Store
from reports.attack_groups import stored_results
from reports.attack_report import (
    BUDGETS,
    CURVE_POINTS,
    AttackReport,
    attack_report,
    check_examples,
    examples_of,
    print_report,
    to_json,
    write_report,
)
from reports.frame import AttackResult

HOSTILE = "<script>alert('x')</script> [red]good[/red] & \x1b[2J bad"
VERDICTS = {
    ("fine_tune", "textfooler"): ("failed", "successful", "skipped", "failed"),
    ("fine_tune", "textbugger"): ("successful", "successful", "skipped", "failed"),
    ("freelb", "textfooler"): ("failed", "failed", "failed", "successful"),
    ("freelb", "textbugger"): ("failed", "successful", "failed", "successful"),
}


def results(seeds: tuple[int, ...] = (42, 43), **changes) -> tuple[dict, list[AttackResult]]:
    """Two methods under two attacks on four texts of two classes."""
    trainings, found = {}, []
    for (defense, recipe), statuses in VERDICTS.items():
        for seed in seeds:
            record = training(defense, seed, title={"fine_tune": "Fine-tune", "freelb": "FreeLB"}[defense])
            trainings[record.key] = record
            outcomes = [
                outcome(row, status, 10 * (row + 1), label=row % 2, words=10, words_changed=2, **changes)
                for row, status in enumerate(statuses)
            ]
            found.append(AttackResult(attack(record, recipe), outcomes))
    return trainings, found


@pytest.fixture
def report() -> AttackReport:
    return attack_report(*results())


def test_rates_by_hand(report: AttackReport) -> None:
    rows = {(row["method"], row["attack"]): row for row in report.table.records()}
    row = rows["Fine-tune", "Textfooler"]
    assert (row["subset_clean_percent"], row["aua_percent"], row["aua_percent_std"]) == (75, 50, 0)
    assert row["asr_percent"] == pytest.approx(100 / 3)
    assert (row["queries"], row["modification_percent"], row["similarity"]) == (pytest.approx(70 / 3), 20, 0.875)
    assert (row["aua_percent_negative"], row["aua_percent_positive"]) == (50, 50)
    assert (row["texts"], row["runs"]) == (4, 2)
    assert [rows[name, "Textbugger"]["aua_worst_percent"] for name in ("Fine-tune", "FreeLB")] == [25, 50]
    assert not report.table.incomplete


def test_the_worst_case_is_over_seeds_that_met_every_attack() -> None:
    trainings, found = results()
    without = [each for each in found if (each.record.recipe, each.record.seed) != ("textbugger", 43)]
    mild = [replace(each, status="failed") for each in without[1].outcomes]
    assert (without[1].record.recipe, without[1].record.seed) == ("textfooler", 43)
    without[1] = AttackResult(without[1].record, mild)
    row = attack_report(trainings, without).table.records()[0]
    assert row["aua_percent"] == 75
    assert row["aua_worst_percent"] == worst_aua_percent([found[0].outcomes, found[2].outcomes])


def test_the_worst_case_and_agreement_need_the_same_texts() -> None:
    trainings, found = results((42,))
    foreign = [replace(each, original=("another text",)) for each in found[1].outcomes]
    changed = attack_report(trainings, [found[0], AttackResult(found[1].record, foreign)])
    assert [row["aua_worst_percent"] for row in changed.table.records()] == [50, 25]
    assert [str(cell) for cell in changed.agreement[0].rows[0]] == ["Textfooler", "100.0", "–"]


def test_curves_fall_from_clean_to_aua(report: AttackReport) -> None:
    _, found = results()
    curve = report.curves[0]
    assert (curve.method, curve.attack) == ("Fine-tune", "Textfooler")
    assert curve.queries == list(range(41))
    assert (curve.aua_percent[0], curve.aua_percent[-1]) == (
        clean_percent(found[0].outcomes),
        aua_percent(found[0].outcomes),
    )
    assert curve.aua_percent[19:21] == [75, 50]


def test_budgets_by_hand_and_blank_beyond_the_attack_s_own(report: AttackReport) -> None:
    first = report.by_budget.records()[0]
    assert [first[f"aua_percent_at_{budget}_queries"] for budget in BUDGETS] == [75, 50, 50, 50, 50, 50]
    # one of four texts falls at 20 queries
    assert first["aua_percent_over_log_queries"] == pytest.approx(50 + 25 * math.log(2) / math.log(300))
    trainings, found = results((42,))
    bounded = replace(found[0].record, identity=found[0].record.identity | {"recipe": {"query_budget": 100}})
    cells = attack_report(trainings, [AttackResult(bounded, found[0].outcomes)]).by_budget.records()[0]
    assert [cells[f"aua_percent_at_{budget}_queries"] for budget in BUDGETS] == [75, 50, 50, None, None, None]
    assert cells["aua_percent_over_log_queries"] is None
    by_word = replace(bounded, identity=bounded.identity | {"recipe": {"queries_per_word": 30}})
    cells = attack_report(trainings, [AttackResult(by_word, found[0].outcomes)]).by_budget.records()[0]
    assert cells["aua_percent_at_300_queries"] == 50 and cells["aua_percent_at_1000_queries"] is None


def test_a_long_curve_is_thinned_and_keeps_its_end() -> None:
    trainings, found = results((42,))
    long = [replace(each, queries=1000 * each.queries) for each in found[0].outcomes]
    (curve,) = attack_report(trainings, [AttackResult(found[0].record, long)]).curves
    assert len(curve.queries) <= CURVE_POINTS + 1 and curve.queries[-1] == 40_000


def test_agreement_by_hand(report: AttackReport) -> None:
    attacks, methods = report.agreement
    assert [[str(cell) for cell in row] for row in attacks.rows] == [
        ["Textfooler", "100.0", "75.0"],
        ["Textbugger", "75.0", "100.0"],
    ]
    assert [str(cell) for cell in methods.rows[0]] == ["Fine-tune", "100.0", "25.0"]


def test_partial_and_broken_attacks_are_named_and_make_it_incomplete() -> None:
    trainings, found = results()
    partial = AttackResult(found[0].record, found[0].outcomes[:2])
    table = attack_report(trainings, [partial, *found[1:]]).table
    assert (
        table.incomplete
        and "Left out, since outcomes are missing: Textfooler on fine_tune (sst2, seed 42)." in table.caption
    )
    broken = AttackResult(found[0].record, [replace(found[0].outcomes[0], status="error"), *found[0].outcomes[1:]])
    table = attack_report(trainings, [broken, *found[1:]]).table
    assert table.incomplete and "texts broke: no reason was kept" in table.caption[-1]


def test_examples_are_attacked_texts_successes_first(report: AttackReport) -> None:
    group = report.groups[0]
    assert [each.example_id for each in examples_of(group, 9)] == ["test-1", "test-0", "test-3"]
    assert len(examples_of(group, 2)) == 2
    with pytest.raises(ValueError, match="--examples must be 0 or more, got -1"):
        check_examples(-1)


def test_two_columns_go_by_their_names() -> None:
    trainings, found = results((42,), original=("why?", "so."), perturbed=("why?", "thus."))
    pair = AttackResult(replace(found[0].record, task="qnli"), found[0].outcomes)
    output = io.StringIO()
    print_report(attack_report(trainings, [pair]), Console(file=output, width=200), 1)
    assert "question original: why?" in output.getvalue() and "sentence adversarial: thus." in output.getvalue()


def test_json_holds_rows_curves_and_agreement_and_csv_the_rows(report: AttackReport) -> None:
    content = json.loads(to_json(report))
    names = {"title", "caption", "rows", "sources", "budget_curves", "by_budget", "strictness", "stages", "agreement"}
    assert set(content) == names
    assert len(content["by_budget"]["rows"]) == len(content["strictness"]["rows"]) == 4
    assert len(content["budget_curves"]) == len(content["rows"]) == 4
    assert (
        content["agreement"][0]["rows"][0] | {"Textbugger agreement_percent": 75.0}
        == content["agreement"][0]["rows"][0]
    )
    rows = list(csv.DictReader(io.StringIO(report.table.to_csv())))
    assert [float(row["aua_percent"]) for row in rows] == [row["aua_percent"] for row in content["rows"]]


def test_the_terminal_gets_one_coloured_text_per_attack_and_no_markup_of_its_own() -> None:
    report = attack_report(*results(original=(HOSTILE,), perturbed=(HOSTILE.replace("good", "fine"),)))
    output = io.StringIO()
    print_report(report, Console(file=output, width=200, force_terminal=True, color_system="standard"), 5)
    shown = output.getvalue()
    assert shown.count("\x1b[1;32mfine\x1b[0m") == 2 and "\x1b[2J" not in shown
    assert "[red]" in re.sub(r"\x1b\[[0-9;]*m", "", shown)
    output.truncate(0)
    print_report(report, Console(file=output, width=200), 0)
    assert "adversarial:" not in output.getvalue()


def test_a_store_s_report_is_written_whole_and_the_same_again(tmp_path: Path) -> None:
    trainings, found = results()
    store = Store(tmp_path)
    for record in trainings.values():
        store.put_training(record)
    for each in found:
        store.put_attack(each.record)
        for one in each.outcomes:
            store.append_outcome(each.record.key, one)
    paths = write_report(attack_report(*stored_results(tmp_path)), tmp_path)
    assert [path.name for path in paths] == [f"attacks.{suffix}" for suffix in ("md", "csv", "tex", "json")]
    before = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in write_report(attack_report(*stored_results(tmp_path)), tmp_path)] == before
    assert before[3].decode() == to_json(attack_report(trainings, found))


def test_a_store_of_partial_attacks_is_refused(tmp_path: Path) -> None:
    Store(tmp_path).put_attack(attack(training()))
    with pytest.raises(ValueError, match="no stored attack is complete"):
        attack_report(*stored_results(tmp_path))
