"""The table of a cascade's stages, by hand."""

from __future__ import annotations

import pytest
from made_up import attack, outcome, training
from rich.console import Console

from benchmarks.results.records import Outcome
from reports.attack_report import attack_report, print_report, to_json
from reports.frame import AttackResult
from reports.stages import Staged, stage_table, stages_of

STAGES = (("words", "one"), ("words", "two"), ("letters", "three"))
IDENTITY = {"recipe": {"stages": [{"threat": threat, "recipe": {"key": key}} for threat, key in STAGES]}}


def outcomes() -> list[Outcome]:
    """One misread text, one broken by the second attack alone, one by the third, and one that withstood all."""
    return [
        outcome(0, "skipped"),
        outcome(1, "successful", stages={"one": "failed", "two": "successful", "three": "failed"}),
        outcome(2, "successful", stages={"one": "failed", "two": "failed", "three": "successful"}),
        outcome(3, "failed", stages={"one": "failed", "two": "failed", "three": "failed"}),
    ]


def test_survivors_after_each_stage() -> None:
    rows = stage_table([Staged("Demo", "FreeLB", STAGES, [outcomes()])]).records()
    assert [(row["threat"], row["stage"], row["attacked"], row["aua_percent"]) for row in rows] == [
        ("words", "one", 3, 75),
        ("words", "two", 3, 50),
        ("letters", "three", 3, 50),
        ("all", "", 4, 25),
    ]


def test_stages_are_read_from_a_stored_identity_and_other_attacks_have_none() -> None:
    assert stages_of(IDENTITY) == STAGES
    assert stages_of({"recipe": "textfooler"}) == stages_of({}) == ()
    assert stage_table([Staged("Demo", "FreeLB", (), [outcomes()])]).rows == ()


def test_the_report_shows_stages_where_there_is_a_cascade(capsys: pytest.CaptureFixture[str]) -> None:
    trained = training()
    whole = AttackResult(attack(trained, "worst_v1", identity={"training": trained.key} | IDENTITY), outcomes())
    plain = AttackResult(attack(trained), [outcome(number) for number in range(4)])
    report = attack_report({trained.key: trained}, [whole, plain])
    assert [row["attack"] for row in report.by_budget.records()] == ["Textfooler"]
    assert [curve.attack for curve in report.curves] == ["Textfooler"]
    assert len(report.stages.rows) == 4 and '"stages"' in to_json(report)
    print_report(report, Console(), 0)
    assert "Worst case by stage" in capsys.readouterr().out
    assert attack_report({trained.key: trained}, [plain]).stages.rows == ()
