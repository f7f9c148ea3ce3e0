"""The plan knows what is stored, and says why a training is not found."""

from __future__ import annotations

import io
from dataclasses import replace

from demo_jobs import study_of
from in_process import InProcess
from made_up import attack, outcome
from rich.console import Console

from benchmarks.executors.execute import execute
from benchmarks.executors.progress import Reporter
from benchmarks.jobs.plan import look_up
from benchmarks.jobs.train import train


def test_a_plan_counts_what_is_left(options) -> None:
    study = study_of(options, "fine_tune", "early_bert")
    assert look_up(study.store, study.jobs).lines() == [
        "plan: 2 trainings (0 stored already), 6 attacks (0 stored already)"
    ]
    one = study_of(options, "fine_tune")
    execute(one, Reporter(Console(file=io.StringIO())), InProcess(one.context))
    plan = look_up(study.store, study.jobs)
    assert plan.lines() == ["plan: 2 trainings (1 stored already), 6 attacks (3 stored already)"]
    assert next(job.label for job in plan.left) == "demo EarlyBERT seed 42" and len(plan.left) == 4
    assert look_up(one.store, one.jobs).lines()[1:] == ["nothing left to run"]


def test_a_model_that_diverged_is_not_attacked(options) -> None:
    study = study_of(replace(options, recipes="textfooler"), "fine_tune")
    (job,) = study.trainings
    record = train(study.context, job)
    (attack_left,) = look_up(study.store, study.jobs).left
    assert attack_left in study.attacks
    study.store.set_aside("trainings", job.key, "for the test")
    study.store.put_training(replace(record, status="diverged", clean_correct="", weights_sha256=None))
    assert look_up(study.store, study.jobs).left == []


def test_an_attack_on_other_weights_does_not_count(options) -> None:
    study = study_of(replace(options, recipes="textfooler"), "fine_tune")
    (attacked,) = study.attacks
    record = train(study.context, study.trainings[0])
    for number in range(4):
        study.store.append_outcome(attacked.key, outcome(number))
    study.store.put_attack(attack(record, key=attacked.key, identity=attacked.identity))
    assert look_up(study.store, study.jobs).left == []
    study.store.hold_to(attacked.key, "0" * 64)
    assert look_up(study.store, study.jobs).left == [attacked]


def test_the_nearest_stored_training_is_compared_field_by_field(options) -> None:
    study = study_of(options, "fine_tune", "freelb", runs=2)
    plan = look_up(study.store, study.jobs)
    assert list(plan.stored_otherwise(study.store)) == []
    train(study.context, next(job for job in study.trainings if job.defense.key == "fine_tune" and job.seed == 42))
    plan = look_up(study.store, study.jobs)
    assert list(plan.stored_otherwise(study.store)) == [], "only another identity is worth a line"
    other = study_of(replace(options, batch_size=4), "fine_tune", epochs="1")
    (line,) = look_up(other.store, other.jobs).stored_otherwise(other.store)
    assert line.startswith("demo Fine-tune is stored with other settings: ")
    assert "batch_size was 8, is 4" in line and "settings.epochs was 3.0, is 1.0" in line
