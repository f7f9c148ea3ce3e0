"""Clocks, on a host clock that is moved by hand and on events that are made up."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.clock import timing
from benchmarks.clock.timing import CudaTimer, HostTimer, summarise, timer_for


class Hand:
    """A clock moved by hand, in seconds."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> Hand:
    clock = Hand()
    monkeypatch.setattr(timing.time, "perf_counter", clock.perf_counter)
    return clock


def test_time_outside_spans_moves_the_wall_alone(hand: Hand) -> None:
    timer = HostTimer()
    with timer.span("search"):
        hand.now += 2
    hand.now += 5
    with timer.copy():
        hand.now += 0.5
    with timer.span("fine_tune"):
        hand.now += 1
    found = timer.readings()
    assert (found["gpu"], found["h2d"], found["wall"]) == (3, 0.5, 8.5)
    assert found["spans"] == {"search": 2, "fine_tune": 1}
    assert found["gpu_busy_fraction"] == pytest.approx(3 / 8.5)


def test_a_span_that_raises_is_counted(hand: Hand) -> None:
    timer = HostTimer()
    with pytest.raises(KeyError), timer.span("s"):
        hand.now += 1
        raise KeyError
    assert timer.readings()["gpu"] == 1


class Device:
    """Events on a device whose queue runs behind the host."""

    def __init__(self) -> None:
        self.milliseconds, self.made, self.synchronised = 0.0, 0, 0

    def event(self):
        self.made += 1
        device = self

        class Event:
            def record(self) -> None:
                self.at = device.milliseconds

            def elapsed_time(self, other) -> float:
                return other.at - self.at

        return Event()

    def synchronize(self) -> None:
        self.synchronised += 1


def test_events_are_paired_reused_and_read_in_blocks(hand: Hand) -> None:
    device = Device()
    timer = CudaTimer(device.event, device.synchronize, block=10)
    for _ in range(25):
        with timer.copy():
            device.milliseconds += 1
        with timer.span("train"):
            device.milliseconds += 4
        device.milliseconds += 100  # between spans
    found = timer.readings()
    assert found["gpu"] == pytest.approx(0.1)
    assert found["h2d"] == pytest.approx(0.025)
    assert device.made == 20, "a pool of ten pairs"
    assert device.synchronised == 1 + 5 + 1, "at the start, after every tenth pair, at the reading"


def test_drift_and_spread_are_flagged() -> None:
    steady = [1.0] * 50
    rising = [1 + 0.002 * number for number in range(50)]
    jumpy = [1.0] * 45 + [2.0] * 5
    assert summarise({"s": steady}, [], 50)["flags"] == []
    assert summarise({"s": rising}, [], 50)["flags"] == ["drift: s"]
    assert "spread: s" in summarise({"s": jumpy}, [], 50)["flags"]
    assert summarise({"s": [1.0, 9.0]}, [], 50)["flags"] == [], "too short to speak"


def test_texts_of_unequal_length_are_no_drift() -> None:
    """The scatter alone gives a slope above 1 % nearly always; with a true slope it is told from that scatter."""
    draw = np.random.default_rng(0)
    series = [draw.uniform(0.5, 1.5, 80) for _ in range(100)]
    slopes = [summarise({"s": list(each)}, [], 50)["steps"]["s"]["slope"] for each in series]
    assert sum(abs(slope) > 0.01 for slope in slopes) > 80
    assert sum("drift: s" in summarise({"s": list(each)}, [], 50)["flags"] for each in series) <= 3
    slower = [each * np.linspace(1, 2, 80) for each in series]
    assert all("drift: s" in summarise({"s": list(each)}, [], 50)["flags"] for each in slower)


def test_steps_are_described() -> None:
    step = summarise({"s": [float(number) for number in range(1, 101)]}, [], 1)["steps"]["s"]
    assert (step["count"], step["median_seconds"]) == (100, 50.5)
    assert step["p5_seconds"] == pytest.approx(5.95)
    assert step["p95_seconds"] == pytest.approx(95.05)
    assert step["slope"] == pytest.approx(99 / 50.5)


def test_a_cpu_has_the_host_s_clock() -> None:
    assert timer_for("cpu").clock == "host"
