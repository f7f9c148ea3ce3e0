"""Every stage of every method is timed in every block, and a training's cost is the sum over its stages."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from benchmarks.clock.cost import EncoderShape
from benchmarks.experiments.defenses import TABLE_ORDER
from benchmarks.speed.stage_speed import MethodTiming, StageSteps, compared_methods, time_methods
from benchmarks.speed.step_speed import random_bert

THIN = EncoderShape(layers=2, hidden=16, heads=2, neurons=16)


@pytest.fixture(scope="module")
def timed() -> list[MethodTiming]:
    joules = iter(range(0, 10_000, 10))
    return time_methods(
        random_bert(THIN),
        compared_methods(),
        texts=2,
        tokens=8,
        blocks=2,
        updates=1,
        device="cpu",
        energy=lambda: float(next(joules)),
    )


def test_the_methods_are_those_of_table_1() -> None:
    assert tuple(defense.key for defense in compared_methods().values()) == TABLE_ORDER


def test_each_method_runs_once_in_each_block_and_blocks_are_shuffled(timed) -> None:
    blocks = [[each.method for each in timed if each.block == block] for block in (0, 1)]
    assert sorted(blocks[0]) == sorted(blocks[1]) == sorted(compared_methods())
    assert blocks[0] != blocks[1]


def test_stages_have_their_planned_epochs(timed) -> None:
    epochs = {each.method: {name: stage.epochs for name, stage in each.stages.items()} for each in timed}
    assert epochs["Fine-tune"] == {"train": 10}
    assert epochs["EarlyBERT"] == {"search": pytest.approx(0.2), "fine_tune": 10}
    assert epochs["RobusT"] == {"first_fine_tune": 3, "search": 20, "fine_tune": 10}
    assert epochs["EarlyRobust"] == {"search": 1, "fine_tune": 10}
    assert all(stage.seconds > 0 for each in timed for stage in each.stages.values())


def test_power_is_energy_over_time(timed) -> None:
    assert all(each.watts is not None and each.watts > 0 for each in timed)


def test_a_training_is_the_sum_of_its_stages() -> None:
    stages = {"search": StageSteps(1.0, 0.5), "fine_tune": StageSteps(10, 0.1)}
    own = MethodTiming("EarlyRobust", 0, stages, 0.0, None, None)
    assert own.training_seconds() == pytest.approx(1.5)
    assert own.training_seconds(search_epochs=0.4) == pytest.approx(1.2)
    other = MethodTiming("RobusT", 0, stages, 0.0, None, None)
    assert other.training_seconds(search_epochs=0.4) == pytest.approx(1.5)  # a search of another kind


def test_a_timing_is_plain_values(timed) -> None:
    values = json.loads(json.dumps(asdict(timed[0])))
    stages = {name: StageSteps(**each) for name, each in values.pop("stages").items()}
    assert MethodTiming(stages=stages, **values) == timed[0]
