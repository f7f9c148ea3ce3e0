"""Planted faults show, and their absence does not."""

from __future__ import annotations

import pytest

from benchmarks.clock.contention import CpuContention
from benchmarks.clock.cost import EncoderShape
from benchmarks.speed import self_test
from benchmarks.speed.self_test import same_method_twice


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_test, "SHAPE", EncoderShape(layers=1, hidden=32, heads=2, neurons=32))
    monkeypatch.setattr(self_test, "UPDATES", 3)
    monkeypatch.setattr(self_test, "BLOCKS", 2)
    monkeypatch.setattr(self_test, "SLEEP_SECONDS", 0.2)


def test_a_sleeping_loader_is_on_the_wall_only(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter([{"gpu": 1.0, "wall": 1.1}, {"gpu": 1.0, "wall": 1.1}, {"gpu": 1.05, "wall": 1.75}])
    monkeypatch.setattr(self_test, "_run", lambda *given, **more: next(readings))
    found = self_test._sleeping_loader("cpu", self_test.SHAPE)
    assert found.passed and found.seen == "wall +0.65 s, clock +0.05 s of 1.00 s"


def test_a_clock_that_counts_the_loader_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter([{"gpu": 1.0, "wall": 1.1}, {"gpu": 1.0, "wall": 1.1}, {"gpu": 1.6, "wall": 1.75}])
    monkeypatch.setattr(self_test, "_run", lambda *given, **more: next(readings))
    assert not self_test._sleeping_loader("cpu", self_test.SHAPE).passed


def test_the_real_loader_sleeps() -> None:
    batch = self_test.random_batch(2, 4, 100)
    slept = self_test._run("cpu", self_test.SHAPE, batches=self_test._SleepingBatches(batch, 2))
    assert slept["wall"] - slept["gpu"] > 0.4


def test_a_read_back_is_flagged() -> None:
    found = self_test._read_back("cpu", self_test.SHAPE)
    assert found.passed, found.seen


@pytest.mark.parametrize(("alone", "beside", "passed"), [(0.0, 1.0, True), (0.0, 0.0, False), (1.0, 1.0, False)])
def test_a_second_process_must_make_the_difference(monkeypatch, alone: float, beside: float, passed: bool) -> None:
    cores = iter([alone, beside])
    monkeypatch.setattr(self_test, "_contention", lambda device, shape: CpuContention(next(cores), present=2).flags)
    assert self_test._second_process("cpu", self_test.SHAPE).passed is passed


def test_a_gpu_has_more_to_compute_than_to_launch() -> None:
    assert self_test.shape_for("cuda") == self_test.GPU_SHAPE and self_test.shape_for("cpu") == self_test.SHAPE
    model = self_test.random_bert(self_test.SHAPE)
    assert self_test._batch("cuda", model).input_ids.numel() > 20 * self_test._batch("cpu", model).input_ids.numel()


def test_both_names_run_in_every_block() -> None:
    first, second = same_method_twice("cpu", shape=self_test.SHAPE)
    assert len(first) == len(second) == 2 and min(first + second) > 0
