"""A victim from outside is a row with what was measured; what belongs to training is blank, never 0."""

from __future__ import annotations

import math

from made_up import attack, outcome, training

from benchmarks.results.records import EvaluationRecord
from benchmarks.results.store import Store, content_key
from reports.attack_groups import attack_groups
from reports.external import ExternalResult, external_caption
from reports.frame import AttackResult
from reports.measured import measure
from reports.table1 import table1
from reports.tables import write_table
from reports.verified import verified

RECIPES = {"textfooler": "TextFooler"}


def evaluation(**changes) -> EvaluationRecord:
    identity = {"task": "sst2", "external": "mine", "temperature": changes.get("temperature", 1)}
    values = {
        "key": content_key(identity),
        "identity": identity,
        "task": "sst2",
        "title": "external: mine",
        "victim": {},
        "temperature": 1,
        "calibration": None,
        "clean_correct": "1100",
        "machine": {"processor": "x", "gpus": []},
        "versions": {},
        "started_at": "2026-01-01T00:00:00+00:00",
    }
    return EvaluationRecord(**(values | changes))


def result(*statuses: str) -> ExternalResult:
    """The evaluation with an outcome of TextFooler per status."""
    record = evaluation()
    identity = {"evaluation": record.key, "model": "x", "max_length": 64, "temperature": 1, "recipe": "textfooler"}
    made = attack(training(), identity=identity, key=content_key(identity), training_key=record.key)
    outcomes = [outcome(number, status) for number, status in enumerate(statuses)]
    return ExternalResult(record, {"textfooler": AttackResult(made, outcomes)})


def row(external: ExternalResult, *trained) -> dict:
    return table1(list(trained), [], RECIPES, [], externals=[external]).records()[-1]


def test_what_was_measured_stands_and_training_is_blank() -> None:
    found = row(result("failed", "successful", "successful", "skipped"), training())
    assert (found["method"], found["clean_percent"], found["textfooler_aua_percent"]) == ("external: mine", 50, 25)
    after = list(found)[list(found).index("training_seconds") :]
    assert len(after) >= 10 and all(found[name] is None for name in after)


def test_an_attack_that_broke_leaves_a_blank_and_an_incomplete_table() -> None:
    broken = result("failed", "error", "failed", "failed")
    assert row(broken)["textfooler_aua_percent"] is None
    assert table1([], [], RECIPES, [], externals=[broken]).incomplete


def test_calibration_is_told_with_its_temperature() -> None:
    about = {"texts": 36, "nats_before": 2.2, "nats_after": 0.69}
    warm = ExternalResult(evaluation(temperature=2.5, calibration=about, title="external: mine, calibrated"), {})
    _, line = external_caption([warm])
    assert "logits divided by 2.500, fitted to 36 test texts" in line and "2.200 before, 0.690 after" in line
    assert external_caption([]) == []


def test_verify_derives_the_row_anew(tmp_path) -> None:
    store, external = Store(tmp_path), result("failed", "failed", "successful", "successful")
    store.put_evaluation(external.record)
    ((_, made),) = external.attacks.items()
    for each in made.outcomes:
        store.append_outcome(made.record.key, each)
    store.put_attack(made.record)
    table = table1([], [], RECIPES, [], externals=[external])
    write_table(table, tmp_path, "table1")
    assert table.sources["evaluations"] == [external.record.key]
    assert not verified(tmp_path).incomplete, verified(tmp_path).rows


def test_reports_know_its_task_and_do_not_mix_it_with_others() -> None:
    external = result("failed", "successful", "successful", "skipped")
    (group,) = attack_groups({}, external.attacks.values())
    assert (group.task, group.label_names[:1] != ()) == ("SST-2", True)
    (cell,) = measure({}, external.attacks.values())
    assert not cell.trainings and not any("evaluation" in each.identity for each in cell.attacks)
    assert not math.isnan(cell.attacks[0].withstood(42).mean())
