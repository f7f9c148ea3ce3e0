"""A cell's batches: the same for every method that needs tokens alone, with more for those that need more."""

from __future__ import annotations

from demo_cell import cell_of

from benchmarks.data.examples import Example
from benchmarks.jobs.batches import cell_batches, training_batches
from benchmarks.jobs.resolve import resolve


def test_a_defense_gets_the_batches_it_needs_and_others_those_of_ever(options) -> None:
    setup = resolve(options)
    plain = cell_batches(setup, cell_of(setup))
    rich = cell_batches(setup, cell_of(setup, "ascc"))
    for ever, one, other in zip(
        training_batches(setup, setup.tasks["demo"], 42).epoch(0), plain.epoch(0), rich.epoch(0), strict=True
    ):
        assert one.substitutes is None and one.replaceable is None
        assert all(value.equal(one.inputs()[name]) for name, value in ever.inputs().items())
        assert all(value.equal(one.inputs()[name]) for name, value in other.inputs().items())
        assert (other.substitutes != other.substitutes[..., :1]).any()
    (flips,) = {int(batch.replaceable.sum()) for batch in cell_batches(setup, cell_of(setup, "adv_hotflip")).epoch(0)}
    assert 20_000 < flips < len(setup.tokenizer)
    for batch in cell_batches(setup, cell_of(setup, "rift")).epoch(0):
        assert batch.labels.tolist() == [0] * 8 + [1] * 8


def test_more_texts_are_trained_on_as_well(options) -> None:
    setup = resolve(options)
    task = setup.tasks["demo"]
    more = [Example("added", ("a film of our own",), 1)]
    plain, longer = cell_batches(setup, cell_of(setup)), cell_batches(setup, cell_of(setup), more)
    texts = [sum(len(batch.labels) for batch in batches.epoch(0)) for batches in (plain, longer)]
    assert texts == [len(task.dataset.train), len(task.dataset.train) + 1]
