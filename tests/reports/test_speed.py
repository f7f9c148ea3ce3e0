"""Ratios are to the engine in the same run."""

from __future__ import annotations

from types import SimpleNamespace

from benchmarks.speed.attack_speed import Disagreement, Timing
from benchmarks.speed.bench import Bench
from benchmarks.speed.executor_speed import ExecutorTiming
from benchmarks.speed.loop_speed import LoopTiming
from reports.speed import executor_table, loop_table, speed_table


def test_ratios_are_to_the_engine() -> None:
    task = SimpleNamespace(max_length=64, resources=SimpleNamespace(describe=lambda: "offline profile: words"))
    context = SimpleNamespace(
        device="cpu",
        machine={"processor": "a processor"},
        backbone=SimpleNamespace(name="minilm"),
        preset=SimpleNamespace(key="demo"),
        tasks={"demo": task},
    )
    tie = Disagreement("test-5", same_without_padding=True, largest_difference=2e-7)
    timings = [
        Timing("textfooler", "textattack dynamic", 6.0, 0.9, 1000, (tie,), 10),
        Timing("textfooler", "engine", 2.0, 0.05, 1000, (), 10),
    ]
    table = speed_table([Bench(context, "demo", timings)])
    slow, fast = table.records()
    assert slow["engine_ratio"] == 3 and fast["engine_ratio"] == 1
    assert slow["python_microseconds_per_query"] == 900
    assert slow["agreeing_texts"] == 9
    assert "a processor" in " ".join(table.caption)
    assert "test-5: a tie that rounding decides" in table.caption[-1] and "2.0e-07" in table.caption[-1]


def test_plain_loops_are_set_beside_ours() -> None:
    timings = [
        LoopTiming("PGD-3", None, False, 2.0),
        LoopTiming("PGD-3", None, True, 3.0),
        LoopTiming("PGD-3", 128, True, 9.0),
    ]
    (row,) = loop_table({"SST-2": timings}, ("a caption",)).records()
    assert row["plain_ratio"] == 1.5 and row["plain_padded_ratio"] == 4.5 and row["limit_tokens"] == 128


def test_what_ray_adds_is_told_against_as_many_local_workers() -> None:
    timings = [
        ExecutorTiming("local", 1, 4, 0.0, 20.0, True),
        ExecutorTiming("local", 2, 4, 0.0, 12.0, True),
        ExecutorTiming("ray", 2, 4, 9.0, 24.0, False),
    ]
    table = executor_table(timings)
    rows = table.records()
    assert [row["cells_per_minute"] for row in rows] == [12, 20, 10]
    assert [row["seconds_more_per_cell"] for row in rows] == [None, None, 3]
    assert [row["records_equal"] for row in rows] == ["yes", "yes", "NO"] and table.incomplete
