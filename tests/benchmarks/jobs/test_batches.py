"""A job's batches: the same for every method that needs tokens alone, with more for those that need more."""

from __future__ import annotations

from demo_jobs import context_of, job_of

from benchmarks.data.examples import Example
from benchmarks.jobs.batches import job_batches, training_batches


def test_a_defense_gets_the_batches_it_needs_and_others_those_of_ever(options) -> None:
    context = context_of(options)
    plain = job_batches(context, job_of(context))
    rich = job_batches(context, job_of(context, "ascc"))
    for ever, one, other in zip(
        training_batches(context, context.tasks["demo"], 42).epoch(0), plain.epoch(0), rich.epoch(0), strict=True
    ):
        assert one.substitutes is None and one.replaceable is None
        assert all(value.equal(one.inputs()[name]) for name, value in ever.inputs().items())
        assert all(value.equal(one.inputs()[name]) for name, value in other.inputs().items())
        assert (other.substitutes != other.substitutes[..., :1]).any()
    (flips,) = {int(batch.replaceable.sum()) for batch in job_batches(context, job_of(context, "adv_hotflip")).epoch(0)}
    assert 20_000 < flips < len(context.tokenizer)
    for batch in job_batches(context, job_of(context, "rift")).epoch(0):
        assert batch.labels.tolist() == [0] * 8 + [1] * 8


def test_more_texts_are_trained_on_as_well(options) -> None:
    context = context_of(options)
    task = context.tasks["demo"]
    more = [Example("added", ("a film of our own",), 1)]
    plain, longer = job_batches(context, job_of(context)), job_batches(context, job_of(context), more)
    texts = [sum(len(batch.labels) for batch in batches.epoch(0)) for batches in (plain, longer)]
    assert texts == [len(task.dataset.train), len(task.dataset.train) + 1]
