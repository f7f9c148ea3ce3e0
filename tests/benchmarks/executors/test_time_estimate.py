"""The estimate: what is timed on this machine, and what the cost model makes of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from demo_jobs import context_of, study_of

from baselines.batch import Batch
from baselines.pgd import PGD
from benchmarks.clock.cost import epoch_units
from benchmarks.executors import time_estimate
from benchmarks.executors.time_estimate import (
    Estimate,
    TaskSpeed,
    _TypicalBatches,
    _update_seconds,
    estimate,
    task_speed,
)
from benchmarks.jobs.batches import task_batches
from benchmarks.jobs.plan import look_up

SPEED = TaskSpeed(
    updates_per_epoch=10,
    update_seconds=2.0,
    text_seconds=0.1,
    start_seconds=5.0,
    test_texts=20,
    model_bytes=100,
    watts=None,
)


def test_a_training_is_predicted_from_fine_tuning_by_the_cost_model() -> None:
    defense = PGD().changed(steps=3, epochs=2)
    assert SPEED.clock_seconds(defense) == epoch_units(defense) * 10 * 2
    assert SPEED.train_seconds(defense) == pytest.approx(5 + epoch_units(defense) * 20 + 20 * 0.1)


def test_what_is_left_is_added_up(options, monkeypatch: pytest.MonkeyPatch) -> None:
    study = study_of(replace(options, recipes="textfooler"), "fine_tune", "pgd")
    plan = look_up(study.store, study.jobs)
    monkeypatch.setattr(time_estimate, "task_speed", lambda spec, task: SPEED)
    found = estimate(study, plan)
    assert found.train_seconds == pytest.approx(sum(SPEED.train_seconds(job.defense) for job in study.trainings))
    words = sum(len(" ".join(each.texts).split()) for each in study.context.tasks["demo"].attacked)
    assert found.attack_seconds == pytest.approx(2 * SPEED.attack_seconds("textfooler", words))
    assert (found.disk_bytes, found.joules) == (200, "there is no GPU in use")
    monkeypatch.setattr(time_estimate, "task_speed", lambda spec, task: replace(SPEED, watts=100.0))
    assert estimate(study, plan).joules == 100 * sum(SPEED.clock_seconds(job.defense) for job in study.trainings)


def test_the_estimate_is_a_line() -> None:
    assert Estimate(100.0, 20.0, 5 * 10**8, "there is no GPU in use").line() == (
        "likely 2 min by the cost model: training 2 min, attacks 20 s; 0.5 GB of models; energy not available: there "
        "is no GPU in use"
    )
    assert Estimate(100.0, 20.0, 0, 7.2e6).line().endswith("GB of models; 2.00 kWh")


def test_a_machine_is_timed(options) -> None:
    speed = task_speed(context_of(options).spec, "demo")
    assert min(speed.update_seconds, speed.text_seconds, speed.start_seconds, speed.model_bytes) > 0
    assert (speed.updates_per_epoch, speed.test_texts, speed.watts) == (5, 20, None)


def test_an_attack_grows_with_the_words() -> None:
    assert SPEED.attack_seconds("textfooler", 200) == 2 * SPEED.attack_seconds("textfooler", 100) > 0
    assert SPEED.attack_seconds("another", 100) == time_estimate.OTHER_FORWARDS_PER_WORD * 100 * 0.1


def test_batches_of_three_lengths_stand_for_all(batch) -> None:
    class Lengths:
        updates_per_epoch = 6

        def epoch(self, number: int, shuffle: bool = True) -> list[Batch]:
            return [batch((length, length)) for length in (12, 2, 10, 4, 8, 6)]

    chosen = _TypicalBatches(Lengths())
    assert [each.input_ids.shape[1] for each in chosen.epoch(0)] == [8, 4, 8, 12]
    assert chosen.updates_per_epoch == 6


def test_fine_tuning_that_does_not_fit_is_timed_in_parts(options, monkeypatch: pytest.MonkeyPatch) -> None:
    context, asked = context_of(options), []
    model = context.backbone.new_classifier(2, 0)
    batches = task_batches(context, "demo", 0)
    real = time_estimate.fit

    def narrow(*arguments, parts, **rest):
        asked.append(parts)
        if parts < 4:
            raise MemoryError("no room")
        return real(*arguments, parts=parts, **rest)

    monkeypatch.setattr(time_estimate, "fit", narrow)
    assert _update_seconds(context, model, batches, 16) > 0
    assert asked == [1, 2, 4]
    with pytest.raises(MemoryError):
        _update_seconds(context, model, batches, 2)
