"""The row of one attack, and the sentences about what broke."""

from __future__ import annotations

from benchmarks.jobs.attack_texts import Attacked
from benchmarks.results.records import AttackRecord, Outcome
from reports.attacked import attack_table


def outcome(name: str, status: str, queries: int = 0, error: str | None = None) -> Outcome:
    return Outcome(name, status, queries, 0, ("a b",), ("a c",), 2, 1, error=error)


def attacked(outcomes: list[Outcome], temperature: float) -> Attacked:
    blank = dict.fromkeys(AttackRecord.__dataclass_fields__)
    identity = {"max_length": 64, "temperature": temperature}
    named = {"identity": identity, "defense": "m", "recipe_title": "T", "engine": "lockstep", "profile": "words"}
    return Attacked(AttackRecord(**blank | named), tuple(outcomes), ("A note.",))


def test_percentages_count_every_text_and_the_broken_are_named() -> None:
    outcomes = [
        outcome("a", "failed", 10),
        outcome("b", "successful", 20),
        outcome("c", "skipped"),
        outcome("d", "error", error="Traceback\nValueError: the label 7 of d is outside"),
    ]
    table = attack_table([attacked(outcomes, 2.0)])
    (row,) = table.records()
    assert (row["subset_clean_percent"], row["aua_percent"], row["asr_percent"], row["queries"]) == (50, 25, 50, 15)
    assert (row["texts"], row["errors"]) == (4, 1) and table.incomplete
    assert "d: ValueError: the label 7 of d is outside" in table.caption
    assert "A note." in table.caption
    assert row["temperature"] == 2 and any("were divided by" in line for line in table.caption)


def test_a_victim_that_answers_nothing_reads_nothing_rightly() -> None:
    table = attack_table([attacked([outcome(name, "error", error="IndexError: x") for name in "abc"], 1.0)])
    (row,) = table.records()
    assert (row["subset_clean_percent"], row["aua_percent"], row["errors"]) == (0, 0, 3) and table.incomplete


def test_before_and_after_calibration_stand_below_each_other() -> None:
    table = attack_table([attacked([outcome("a", "failed", 9)], 1.0), attacked([outcome("a", "successful", 5)], 3.5)])
    assert [(row["temperature"], row["aua_percent"]) for row in table.records()] == [(1, 100), (3.5, 0)]
    assert not table.incomplete
