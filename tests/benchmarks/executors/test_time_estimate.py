"""A look at the machine covers every stage of a method, and what is not looked at is predicted."""

from __future__ import annotations

import pytest

from baselines.batch import Batch
from baselines.early_bert import EarlyBert
from baselines.fine_tune import FineTune
from baselines.pgd import PGD
from benchmarks.clock.cost import epoch_units
from benchmarks.executors import time_estimate as calibration
from benchmarks.executors.time_estimate import TaskSpeed, _calibrate, _name, _TypicalBatches, calibrate
from benchmarks.jobs.batches import training_batches
from benchmarks.jobs.resolve import resolve

SPEED = TaskSpeed(
    updates_per_epoch=10,
    update_seconds=2.0,
    text_seconds=0.1,
    start_seconds=5.0,
    test_texts=20,
    model_bytes=100,
    watts=None,
    stages={_name(PGD().changed(steps=2)): {"train": (30, 4.0)}},
)


def test_a_timed_method_is_added_up_from_its_stages() -> None:
    assert SPEED.update_total(PGD().changed(steps=2)) == 30 * 4
    assert SPEED.train_seconds(PGD().changed(steps=2)) == pytest.approx(5 + 2 * 4 + 120 + 20 * 0.1)


def test_any_other_is_predicted_from_fine_tuning() -> None:
    other = PGD().changed(steps=3, epochs=2)
    assert not SPEED.was_timed(other)
    assert SPEED.update_total(other) == epoch_units(other) * 10 * 2


def test_an_attack_grows_with_the_words() -> None:
    assert SPEED.attack_seconds("textfooler", 200) == 2 * SPEED.attack_seconds("textfooler", 100) > 0
    assert SPEED.attack_seconds("another", 100) == calibration.OTHER_FORWARDS_PER_WORD * 100 * 0.1


def test_every_stage_is_timed_and_its_updates_are_those_of_a_whole_training(options) -> None:
    setup = resolve(options)
    defense = EarlyBert(epochs=2, draw_epoch=1.0)
    speed = calibrate(setup, "demo", [defense, FineTune(epochs=3)], seed=0)
    assert {name: updates for name, (updates, _) in speed.stages[_name(defense)].items()} == {
        "search": speed.updates_per_epoch,
        "fine_tune": 2 * speed.updates_per_epoch,
    }
    assert speed.stages[_name(FineTune(epochs=3))]["train"][0] == 3 * speed.updates_per_epoch
    assert min(speed.update_seconds, speed.text_seconds, speed.start_seconds, speed.model_bytes) > 0
    assert speed.test_texts == 20 and speed.watts is None


def test_what_is_not_reached_in_time_is_left_to_the_model(options, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "BUDGET_SECONDS", 0.0)
    described = [("pgd", PGD().changed(steps=1).settings())]
    speed, seconds = _calibrate(options, ("demo",), None, "demo", described, 0, lambda: None)
    assert speed.stages == {} and 0 < speed.update_seconds < seconds


def test_batches_of_three_lengths_stand_for_all(batch) -> None:
    class Lengths:
        updates_per_epoch = 6

        def epoch(self, number: int, shuffle: bool = True) -> list[Batch]:
            return [batch((length, length)) for length in (12, 2, 10, 4, 8, 6)]

    chosen = _TypicalBatches(Lengths())
    assert [each.input_ids.shape[1] for each in chosen.epoch(0)] == [8, 4, 8, 12]
    assert chosen.updates_per_epoch == 6


def test_fine_tuning_that_does_not_fit_is_timed_in_parts(options, monkeypatch: pytest.MonkeyPatch) -> None:
    setup, asked = resolve(options), []
    model = setup.backbone.new_classifier(2, 0)
    batches = training_batches(setup, setup.tasks["demo"], 0)
    real = calibration.fit

    def narrow(*arguments, parts, **rest):
        asked.append(parts)
        if parts < 4:
            raise MemoryError("no room")
        return real(*arguments, parts=parts, **rest)

    monkeypatch.setattr(calibration, "fit", narrow)
    assert calibration._plain_stages(setup, model, batches, 16)["train"][1] > 0
    assert asked == [1, 2, 4]
    with pytest.raises(MemoryError):
        calibration._plain_stages(setup, model, batches, 2)
