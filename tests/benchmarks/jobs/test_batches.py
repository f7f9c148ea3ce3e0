"""A job's batches: the same for every method that needs tokens alone, with more for those that need more."""

from __future__ import annotations

from dataclasses import replace

import pytest
from demo_jobs import context_of, job_of

from benchmarks.attacks.synonyms import NeighbourList
from benchmarks.data.examples import Example
from benchmarks.jobs.batches import task_batches


def batches_of(context, defense: str):
    job = job_of(context, defense)
    return task_batches(context, job.task, job.seed, job.defense.needs)


def test_a_defense_gets_the_batches_it_needs_and_others_those_of_ever(options) -> None:
    context = context_of(options)
    plain, rich = batches_of(context, "fine_tune"), batches_of(context, "ascc")
    for ever, one, other in zip(task_batches(context, "demo", 42).epoch(0), plain.epoch(0), rich.epoch(0), strict=True):
        assert one.substitutes is None and one.replaceable is None
        assert all(value.equal(one.inputs()[name]) for name, value in ever.inputs().items())
        assert all(value.equal(one.inputs()[name]) for name, value in other.inputs().items())
        assert (other.substitutes != other.substitutes[..., :1]).any()
    (flips,) = {int(batch.replaceable.sum()) for batch in batches_of(context, "adv_hotflip").epoch(0)}
    assert 20_000 < flips < len(context.tokenizer)
    for batch in batches_of(context, "rift").epoch(0):
        assert batch.labels.tolist() == [0] * 4 + [1] * 4
    assert [len(batch.held_out) for batch in batches_of(context, "dsrm").epoch(0)] == [4] * 5, "a tenth of 40 texts"
    assert all(batch.places.max() <= batch.training_tokens for batch in batches_of(context, "fat").epoch(0))


def test_tokens_and_substitutes_are_computed_once(options, monkeypatch: pytest.MonkeyPatch) -> None:
    context = context_of(options)
    first = [batch.substitutes for batch in batches_of(context, "ascc").epoch(0)]
    for name in ("encode", "substitutes.find_substitutes"):
        monkeypatch.setattr(f"benchmarks.jobs.batches.{name}", lambda *_: pytest.fail("was computed again"))
    again = [batch.substitutes for batch in batches_of(context, "ascc").epoch(0)]
    assert all(one.equal(other) for one, other in zip(first, again, strict=True))


def test_other_texts_and_other_synonyms_are_computed_anew(options) -> None:
    context = context_of(options)
    task = context.tasks["demo"]
    batches_of(context, "ascc")
    other = replace(task, resources=replace(task.resources, synonyms=NeighbourList.from_groups([("film", "movie")])))
    batches_of(replace(context, tasks={"demo": other}), "ascc")
    task_batches(context, "demo", 42, more=[Example("x", ("a film",), 0)])
    assert len(list((options.out / "tokens").iterdir())) == 3


def test_more_texts_are_trained_on_as_well(options) -> None:
    context = context_of(options)
    task = context.tasks["demo"]
    more = [Example("added", ("a film of our own",), 1)]
    plain, longer = task_batches(context, "demo", 42), task_batches(context, "demo", 42, more=more)
    texts = [sum(len(batch.labels) for batch in batches.epoch(0)) for batches in (plain, longer)]
    assert texts == [len(task.dataset.train), len(task.dataset.train) + 1]
