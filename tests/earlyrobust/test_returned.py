"""What the public API returns: percentages, sequences, data frames."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from benchmarks.jobs.attack_texts import Attacked
from benchmarks.results.records import AttackRecord, Outcome
from earlyrobust.returned import Outcomes, Report, Training
from reports.tables import Column, Number, Table


@pytest.fixture
def outcomes() -> Outcomes:
    blank = dict.fromkeys(AttackRecord.__dataclass_fields__)
    named = {"identity": {"max_length": None, "temperature": 1.0}, "engine": "lockstep", "profile": "words."}
    found = (
        Outcome("t-0", "failed", 10, 1, ("a b",), ("a b",), 2, 0),
        Outcome("t-1", "successful", 20, 1, ("a b",), ("a c",), 2, 1),
        Outcome("t-2", "skipped", 0, 1, ("a b",), ("a b",), 2, 0),
        Outcome("t-3", "error", 0, 1, ("a", "b"), ("a", "b"), 2, 0, error="Traceback\nValueError: why"),
    )
    return Outcomes(Attacked(AttackRecord(**blank | named), found))


def test_percentages_are_those_of_the_metrics(outcomes) -> None:
    assert (outcomes.clean_percent, outcomes.aua_percent, outcomes.asr_percent) == (50, 25, 50)
    assert (outcomes.queries, outcomes.broken) == (15, 1)
    assert repr(outcomes) == "Outcomes(texts=4, clean_percent=50.0, aua_percent=25.0, queries=15.0, broken=1)"


def test_outcomes_are_a_sequence_and_a_frame(outcomes, capsys) -> None:
    assert len(outcomes) == 4 and outcomes[1].status == "successful"
    assert [each.example_id for each in outcomes] == ["t-0", "t-1", "t-2", "t-3"]
    frame = outcomes.to_pandas()
    assert list(frame.perturbed) == ["a b", "a c", "a b", ("a", "b")] and frame.queries.sum() == 30
    outcomes.show()
    assert "All texts are attacked. Engine lockstep." in capsys.readouterr().out


def test_a_report_is_a_frame_with_spreads(capsys) -> None:
    table = Table("T", (Column("Method", "method", False), Column("Clean", "clean")), (("PGD", Number(90.0, 1.5)),))
    report = Report(table)
    assert report.complete and report.to_pandas().to_dict("records") == [
        {"method": "PGD", "clean": 90.0, "clean_std": 1.5}
    ]
    report.show()
    assert "PGD" in capsys.readouterr().out


def test_a_training_without_answers_has_no_accuracy(tmp_path) -> None:
    record = SimpleNamespace(clean_correct="110", seconds={"gpu": 2}, status="finished")
    assert (
        Training(tmp_path, record).clean_percent == pytest.approx(200 / 3) and Training(tmp_path, record).seconds == 2
    )
    record.clean_correct = ""
    assert math.isnan(Training(tmp_path, record).clean_percent)
