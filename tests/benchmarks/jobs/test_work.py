"""Items: what they need, what they make, and that a process with other data refuses them."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from benchmarks.experiments.experiment import Terms, cells
from benchmarks.jobs.plan import Plan
from benchmarks.jobs.resolve import resolve
from benchmarks.jobs.train import train, training_key
from benchmarks.jobs.work import RunSpec, attacks_to_do, trainings_of


@pytest.fixture
def options(options):
    return replace(options, recipes="textfooler")


def items_of(setup, defenses, runs: int = 1):
    return trainings_of(setup, Plan.without_estimate(setup, cells(setup.preset, ["demo"], defenses, runs=runs)))


def test_a_training_is_told_by_names_and_becomes_its_cell_again(options) -> None:
    setup = resolve(options)
    planned = cells(setup.preset, ["demo"], ["early_robust"], runs=1)
    (item,) = items_of(setup, ["early_robust"])
    there = pickle.loads(pickle.dumps(item))
    assert there.cell() == planned[0] and there.key == training_key(setup, planned[0])
    assert there.needs is None and there.folders == (f"trainings/{item.key}",)
    run_spec = pickle.loads(pickle.dumps(RunSpec.of(setup)))
    assert run_spec.resolve().training_identity(there.cell()) == item.identity


def test_a_training_comes_after_the_one_it_takes_texts_from(options) -> None:
    setup = resolve(options)
    base, item = items_of(setup, ["augmentation"])
    assert (base.defense, item.defense) == ("fine_tune", "augmentation")
    assert item.needs == base.key
    assert item.folders[0].startswith("adversarial_texts/attacks/") and item.folders[1] == f"trainings/{item.key}"


def test_a_process_with_other_data_refuses_a_training(options) -> None:
    (item,) = items_of(resolve(options), ["fine_tune"])
    other = resolve(replace(options, train_texts=39))
    with pytest.raises(RuntimeError, match=r"was planned otherwise than it would be trained: data"):
        item.do(other, lambda: None)
    assert not other.store.keys("trainings")


def test_attacks_are_told_once_and_none_is_made_on_a_diverged_model(options) -> None:
    setup = resolve(options)
    (cell,) = cells(setup.preset, ["demo"], ["fine_tune"], runs=1)
    record = train(setup, cell)
    terms = [Terms(), Terms(), Terms(max_length=8)]
    items = attacks_to_do(setup, terms, record)
    assert [item.terms for item in items] == [Terms(), Terms(max_length=8)]
    assert items[0].needs == record.key and items[0].length == 3
    told = []
    items[0].do(setup, lambda: told.append(1))
    assert len(told) == 3
    assert attacks_to_do(setup, terms, record) == items[1:]
    assert attacks_to_do(setup, terms, replace(record, status="diverged")) == []
