"""The row of one attack, and the sentences about what broke."""

from __future__ import annotations

from types import SimpleNamespace

from benchmarks.attacks.recipes import TEXTFOOLER
from benchmarks.results.records import Outcome
from reports.attacked import attack_table


def outcome(name: str, status: str, queries: int = 0, error: str | None = None) -> Outcome:
    return Outcome(name, status, queries, 0, ("a b",), ("a c",), 2, 1, error=error)


def attack_at(temperature: float) -> SimpleNamespace:
    return SimpleNamespace(
        model_name="m",
        recipe=TEXTFOOLER,
        engine="lockstep",
        victim=SimpleNamespace(max_length=64, temperature=temperature),
        notes=("A note.",),
        resources=SimpleNamespace(describe=lambda: "offline profile: words"),
    )


def test_percentages_count_every_text_and_the_broken_are_named() -> None:
    outcomes = [
        outcome("a", "failed", 10),
        outcome("b", "successful", 20),
        outcome("c", "skipped"),
        outcome("d", "error", error="Traceback\nValueError: the label 7 of d is outside"),
    ]
    table = attack_table([attack_at(2.0)], [outcomes])
    (row,) = table.records()
    assert (row["subset_clean_percent"], row["aua_percent"], row["asr_percent"], row["queries"]) == (50, 25, 50, 15)
    assert (row["texts"], row["errors"]) == (4, 1) and table.incomplete
    assert "d: ValueError: the label 7 of d is outside" in table.caption
    assert "A note." in table.caption
    assert row["temperature"] == 2 and any("were divided by" in line for line in table.caption)


def test_a_victim_that_answers_nothing_reads_nothing_rightly() -> None:
    table = attack_table([attack_at(1.0)], [[outcome(name, "error", error="IndexError: x") for name in "abc"]])
    (row,) = table.records()
    assert (row["subset_clean_percent"], row["aua_percent"], row["errors"]) == (0, 0, 3) and table.incomplete


def test_before_and_after_calibration_stand_below_each_other() -> None:
    table = attack_table(
        [attack_at(1.0), attack_at(3.5)], [[outcome("a", "failed", 9)], [outcome("a", "successful", 5)]]
    )
    assert [(row["temperature"], row["aua_percent"]) for row in table.records()] == [(1, 100), (3.5, 0)]
    assert not table.incomplete
