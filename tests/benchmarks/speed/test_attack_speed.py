"""The benchmark of the engine: every way agrees, free forwards ask no model, and what cannot be timed is refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from demo_jobs import context_of

from benchmarks.attacks import engine
from benchmarks.attacks.recipes import find_recipe
from benchmarks.attacks.sentence_encoder import MeanPooledEncoder
from benchmarks.attacks.textattack_import import import_textattack
from benchmarks.experiments.options import Options
from benchmarks.speed.attack_speed import WAYS, Disagreement, RecordedVictim, compare
from benchmarks.speed.bench import bench_attacks
from benchmarks.victims.pieces import Row
from benchmarks.victims.victim import Victim
from reports.speed import speed_table


@pytest.fixture(autouse=True)
def without_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times do not count here."""
    monkeypatch.setattr("benchmarks.speed.attack_speed.WARM_UP_TEXTS", 0)


@pytest.fixture
def bench(options: Options):
    """One task's timings of one recipe in all ways but the longest."""
    return bench_attacks(dataclasses.replace(options, recipes="textfooler"), ways=WAYS[1:])[0]


@pytest.mark.integration
def test_every_way_gives_the_engines_outcomes(bench) -> None:
    assert [timing.way for timing in bench.timings] == list(WAYS[1:])
    assert {timing.agreeing for timing in bench.timings} == {bench.timings[0].texts} == {3}
    assert len({timing.queries for timing in bench.timings}) == 1
    assert all(timing.seconds > 0 for timing in bench.timings)
    assert [timing.python_seconds is None for timing in bench.timings] == [True, False, False]


@pytest.mark.integration
def test_free_forwards_ask_no_model(options, monkeypatch) -> None:
    context = bench_attacks(dataclasses.replace(options, recipes="textbugger"), ways=WAYS[-1:])[0].context
    task = context.tasks["demo"]
    calls = []
    encode = MeanPooledEncoder._forward
    monkeypatch.setattr(MeanPooledEncoder, "_forward", lambda self, rows: calls.append(rows) or encode(self, rows))
    victim = context.victim("demo", context.backbone.new_classifier(2, 0))
    answer = Victim._batch_forward
    monkeypatch.setattr(Victim, "_batch_forward", lambda self, rows: calls.append(rows) or answer(self, rows))
    (timing,) = compare(
        victim,
        task.attacked,
        find_recipe("textbugger"),
        task.resources,
        columns=("text",),
        seed=1,
        ways=("engine",),
    )
    loading = [Row((101, 8209, 102), (0, 0, 0))]  # the word that loads an encoder, before each timing
    asked = [repr(call) for call in calls if call != loading]
    assert timing.python_seconds > 0 and len(asked) == len(set(asked))


def test_what_a_search_asks_anew_is_computed(options) -> None:
    """Rounding that depends on a batch may lead it elsewhere."""
    context = context_of(options)
    victim = context.victim("demo", context.backbone.new_classifier(2, 0))
    recording = RecordedVictim(victim)
    first = recording([("a film",)])
    free = RecordedVictim(victim, recording.recorded)
    np.testing.assert_array_equal(free([("a film",)]), first)
    np.testing.assert_allclose(free([("a film",), ("a bad plot",)]), victim([("a film",), ("a bad plot",)]), rtol=1e-6)


@pytest.mark.integration
def test_a_wrong_engine_is_not_excused(options, monkeypatch) -> None:
    attack_all = engine.attack_all

    def wrong(*arguments, **settings):
        for outcome in attack_all(*arguments, **settings):
            yield dataclasses.replace(outcome, queries=outcome.queries + 1)

    monkeypatch.setattr(engine, "attack_all", wrong)
    (bench,) = bench_attacks(dataclasses.replace(options, recipes="textfooler"), ways=WAYS[2:])
    assert bench.timings[0].agreeing == 0 and bench.timings[1].agreeing == 3
    assert not any(each.same_without_padding or each.is_a_tie for each in bench.timings[0].disagreements)
    assert "not explained by a tie" in "\n".join(speed_table([bench]).caption)


@pytest.mark.integration
def test_another_rounding_is_told_from_another_search(options, monkeypatch) -> None:
    """A way of asking whose answers are wrong: the search is the engine's, the probabilities are not."""
    import_textattack()
    from benchmarks.attacks import textattack_parts

    ask = textattack_parts.PaddingWrapper.__call__
    monkeypatch.setattr(textattack_parts.PaddingWrapper, "__call__", lambda *each, **more: -ask(*each, **more))
    (bench,) = bench_attacks(dataclasses.replace(options, recipes="textfooler"), ways=WAYS[2:])
    found = bench.timings[0].disagreements
    assert found and all(each.same_without_padding and not each.is_a_tie for each in found)


def test_a_tie_is_within_rounding() -> None:
    assert Disagreement("test-1", same_without_padding=True, largest_difference=3e-7).is_a_tie
    assert not Disagreement("test-1", same_without_padding=True, largest_difference=1e-4).is_a_tie
    assert not Disagreement("test-1", same_without_padding=False, largest_difference=3e-7).is_a_tie
