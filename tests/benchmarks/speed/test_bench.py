"""What cannot be timed is refused; the victim is trained once."""

from __future__ import annotations

import dataclasses

import pytest

from benchmarks.jobs import fine_tuned
from benchmarks.speed import bench
from benchmarks.speed.bench import bench_attacks, bench_loops, bench_steps


def test_a_range_without_texts_is_refused(options) -> None:
    with pytest.raises(ValueError, match="--words must be a range in which there are texts"):
        bench_attacks(options, words=(900, 1000))
    with pytest.raises(ValueError, match="1 <= LEAST <= MOST"):
        bench_attacks(options, words=(5, 2))


def test_the_victim_is_trained_once(options, monkeypatch) -> None:
    options = dataclasses.replace(options, recipes="bertattack_official")
    first = bench_attacks(options, ways=("engine",))
    monkeypatch.setattr(fine_tuned, "train", lambda *given: pytest.fail("was trained again"))
    again = bench_attacks(options, ways=("engine",))
    assert [each.queries for each in first[0].timings] == [each.queries for each in again[0].timings]


def test_steps_say_what_they_rest_on(options, monkeypatch) -> None:
    asked = {}
    monkeypatch.setattr(bench, "time_steps", lambda **given: asked.update(given) or [])
    timings, caption = bench_steps(dataclasses.replace(options, device="cpu", batch_size=3), updates=2)
    assert timings == [] and (asked["texts"], asked["updates"], asked["device"]) == (3, 2, "cpu")
    assert any("3 texts of equal length" in line for line in caption)


def test_loops_are_timed_on_the_tasks_own_texts(options, monkeypatch) -> None:
    asked = {}
    monkeypatch.setattr(bench, "time_loops", lambda model, batches, **given: asked.update(given, batches=batches) or [])
    found, caption = bench_loops(dataclasses.replace(options, batch_size=4), updates=2)
    assert found == {"Demo": []} and asked["longest"] == 32
    assert len(asked["batches"]) == 3 and {len(each) for each in asked["batches"]} == {4}
    assert any("batches of 4 texts" in line for line in caption)
    with pytest.raises(ValueError, match="--train-texts must be more than one batch"):
        bench_loops(dataclasses.replace(options, batch_size=4, train_texts=4), updates=2)
