"""Findings and self-tests as tables; the noise floor is the wider half of the interval."""

from __future__ import annotations

from benchmarks.jobs.doctor import Finding
from benchmarks.speed.self_test import SelfTest
from reports.doctor import findings_table, self_test_table


def test_findings_keep_their_order() -> None:
    table = findings_table([Finding("Python", "ok", "3.11"), Finding("GPU", "warning", "none")])
    assert [row["state"] for row in table.records()] == ["ok", "warning"]


def test_one_method_under_two_names_gives_the_noise_floor() -> None:
    tests = [SelfTest("a sleep", "on the wall", "wall", True), SelfTest("a read-back", "a flag", "no flag", False)]
    table = self_test_table(tests, [1.0, 1.02, 0.98], [1.0, 0.98, 1.02])
    passed = [row["passed"] for row in table.records()]
    assert passed == ["yes", "no", "yes"]
    assert "Noise floor: ratios of times within" in table.caption[0] and "3 blocks" in table.caption[0]


def test_a_method_that_differs_from_itself_fails() -> None:
    table = self_test_table([], [1.0, 1.01, 1.0, 1.01], [2.0, 2.01, 2.01, 2.0])
    assert table.records()[-1]["passed"] == "no"
