"""The benchmark of the engine: every way agrees, free forwards ask no model, and what cannot be timed is refused."""

from __future__ import annotations

import dataclasses

import pytest

from benchmarks.attacks.recipes import find_recipe
from benchmarks.attacks.sentence_encoder import MeanPooledEncoder
from benchmarks.runs.options import Options
from benchmarks.speed.attack_speed import WAYS, compare
from benchmarks.speed.bench import bench_attacks


@pytest.fixture
def bench(tiny_setup: Options):
    """One task's timings of one recipe in all ways but the longest."""
    return bench_attacks(dataclasses.replace(tiny_setup, recipes="textfooler"), ways=WAYS[1:])[0]


def test_every_way_gives_the_engines_outcomes(bench) -> None:
    assert [timing.way for timing in bench.timings] == list(WAYS[1:])
    assert {timing.agreeing for timing in bench.timings} == {bench.timings[0].texts} == {3}
    assert len({timing.queries for timing in bench.timings}) == 1
    assert all(timing.seconds > 0 for timing in bench.timings)
    assert [timing.python_seconds is None for timing in bench.timings] == [True, False, False]


def test_free_forwards_ask_no_model(tiny_setup, monkeypatch) -> None:
    setup = bench_attacks(dataclasses.replace(tiny_setup, recipes="textbugger"), ways=WAYS[-1:])[0].setup
    task = setup.tasks["demo"]
    calls = []
    encode = MeanPooledEncoder._forward
    monkeypatch.setattr(MeanPooledEncoder, "_forward", lambda self, rows: calls.append(rows) or encode(self, rows))
    from benchmarks.runs.runner import victim_of

    victim = victim_of(setup, task, setup.backbone.new_classifier(2, 0))
    forward = victim.model.forward
    monkeypatch.setattr(victim.model, "forward", lambda *a, **k: calls.append(k) or forward(*a, **k))
    (timing,) = compare(
        victim,
        task.attacked,
        find_recipe("textbugger"),
        task.resources,
        columns=("text",),
        seed=1,
        ways=("engine",),
    )
    asked = [repr(call) for call in calls]
    assert timing.python_seconds > 0 and len(asked) == len(set(asked))
