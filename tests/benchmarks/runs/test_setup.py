"""What a run resolves before it starts, and every mistake it names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.data.examples import Example
from benchmarks.runs.experiments import cells
from benchmarks.runs.setup import random_subset, resolve


def test_everything_is_resolved(options) -> None:
    setup = resolve(options)
    task = setup.tasks["demo"]
    assert (len(task.dataset.train), len(task.dataset.test), len(task.attacked)) == (40, 20, 3)
    assert [recipe.key for recipe in setup.recipes] == ["textfooler", "textbugger", "bertattack_official"]
    assert setup.machine["threads"] == 1


def test_the_subset_does_not_depend_on_the_model_and_keeps_the_order() -> None:
    examples = [Example(f"test-{n}", ("x",), 0) for n in range(100)]
    drawn = random_subset(examples, 10)
    assert drawn == random_subset(examples, 10)
    numbers = [int(example.id[5:]) for example in drawn]
    assert numbers == sorted(set(numbers)) and len(numbers) == 10
    assert random_subset(examples, 500) == tuple(examples)


def test_identities_tell_apart_what_decides_the_weights(options) -> None:
    setup = resolve(options)
    first, second = cells(setup.preset, ["demo"], ["fine_tune"], runs=2)
    identities = [setup.training_identity(cell) for cell in (first, second)]
    other = resolve(replace(options, train_texts=39)).training_identity(first)
    assert identities[0] != identities[1]
    assert {name for name in other if other[name] != identities[0][name]} == {"data"}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"preset": "dmeo"}, "unknown preset 'dmeo'; did you mean 'demo'"),
        ({"tasks": "imbd"}, "unknown task 'imbd'; did you mean 'imdb'"),
        ({"recipes": "textfoler"}, "unknown recipe 'textfoler'; did you mean 'textfooler'"),
        ({"recipes": "bertattack"}, "needs a masked language model"),
        ({"backbone": "minilmm"}, "unknown backbone 'minilmm'"),
        ({"device": "gpu"}, "unknown device 'gpu'"),
        ({"precision": "fp16"}, "unknown precision 'fp16'"),
        ({"runs": 0}, "--runs must be 1 or more, got 0"),
        ({"attacked": -3}, "--attacked must be 1 or more, got -3"),
        ({"threads": 0}, "--threads must be 1 or more, got 0"),
        ({"tasks": "sst2", "data": Path("nowhere")}, "the data folder nowhere does not exist"),
        ({"tasks": "sst2", "offline": True}, "needs the data set nyu-mll/glue@"),
    ],
    ids=str,
)
def test_mistakes_are_named(options, changes: dict, sentence: str, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    with pytest.raises(ValueError) as refusal:
        resolve(replace(options, **changes))
    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)
