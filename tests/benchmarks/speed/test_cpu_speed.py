"""The CPU's peak is that of its products, and updates and attacks are set beside it."""

from __future__ import annotations

import dataclasses
import time

import torch

from benchmarks.clock.cost import EncoderShape
from benchmarks.speed.bench import bench_cpu
from benchmarks.speed.cpu_speed import CpuTiming, best_seconds, faster_in_bf16, peaks, time_products
from reports.speed import cpu_table

TINY = {"tiny": EncoderShape(layers=2, hidden=24, heads=2, neurons=48)}


def test_products_are_timed_by_kernel_and_precision() -> None:
    found = time_products(TINY, rows=(4,))
    ways = {(each.kernel, each.precision) for each in found}
    assert {("torch", "fp32"), ("torch", "bf16")} <= ways
    assert (("oneDNN", "fp32") in ways) == torch.backends.mkldnn.is_available()
    assert {each.gflop for each in found} == {2 * 4 * (4 * 24 * 24 + 2 * 24 * 48) / 1e9}
    assert all(each.seconds > 0 and each.shape == "tiny" for each in found)


def test_the_best_call_is_taken_and_the_first_is_not_timed(monkeypatch) -> None:
    readings = iter([0.0, 5.0, 10.0, 12.0, 20.0, 29.0])
    monkeypatch.setattr(time, "thread_time", lambda: next(readings))
    calls = []
    assert best_seconds(lambda: calls.append(1), repeats=3) == 2.0
    assert len(calls) == 4


def timing(work: str, precision, gflop: float, kernel: str = "torch") -> CpuTiming:
    return CpuTiming(work, "tiny", kernel, precision, gflop, seconds=1.0)


def test_the_peak_is_that_of_products_alone() -> None:
    timings = [
        timing("products of 4 rows", "fp32", 50.0),
        timing("products of 4 rows", "fp32", 80.0, "oneDNN"),
        timing("products of 4 rows", "bf16", 10.0),
        timing("update, PGD-3", "fp32", 90.0),
    ]
    assert peaks(timings) == {"fp32": 80.0, "bf16": 10.0}
    assert not faster_in_bf16(timings)
    rows = cpu_table(timings, ()).records()
    assert [row["peak_percent"] for row in rows] == [62.5, 100.0, 100.0, 112.5]
    assert faster_in_bf16([*timings, timing("products of 9 rows", "bf16", 81.0)])


def test_products_updates_and_attacks_stand_in_one_table(options) -> None:
    options = dataclasses.replace(options, device="auto", recipes="bertattack_official", batch_size=2)
    timings, caption = bench_cpu(options, updates=1, shapes=TINY)
    table = cpu_table(timings, caption)
    works = [row["work"] for row in table.records()]
    assert "products of 512 rows" in works and "update, InfoBERT-3" in works and works[-1].startswith("attack, ")
    attack = timings[-1]
    assert attack.gflop > 0 and dict(attack.others)["Python and tokenising"] > 0
    assert any("CPU seconds of one thread on " in line for line in caption)
