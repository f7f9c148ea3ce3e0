"""bf16 is chosen where it is fast enough; the choice is kept, and a training is known by what was used."""

from __future__ import annotations

import dataclasses
import time

import pytest
import torch

from baselines.validation import UserError
from benchmarks.experiments.catalogue import find_experiments
from benchmarks.jobs import precision
from benchmarks.jobs.context import RunSpec
from benchmarks.jobs.precision import choose_precision, product_gain, update_gain
from benchmarks.jobs.resolve import resolve

CONDITIONS = {"processor": "a CPU", "threads": 1}


@pytest.fixture
def gains(monkeypatch):
    """The gains to be measured, which a test sets; measured by name, in order."""
    found = {"product": 1.0, "update": 1.0, "measured": []}

    def measured(name: str) -> float:
        found["measured"].append(name)
        return found[name]

    monkeypatch.setattr(precision, "product_gain", lambda: measured("product"))
    monkeypatch.setattr(precision, "update_gain", lambda *given: measured("update"))
    return found


def chosen(folder, conditions=CONDITIONS):
    return choose_precision(folder, conditions, torch.nn.Identity, texts=4, tokens=8)


@pytest.mark.parametrize(
    ("product", "update", "expected"),
    [(0.1, 9.0, "fp32"), (1.49, 9.0, "fp32"), (3.0, 1.49, "fp32"), (3.0, 1.5, "bf16")],
)
def test_products_and_updates_must_gain_half(gains, tmp_path, product, update, expected) -> None:
    gains |= {"product": product, "update": update}
    choice = chosen(tmp_path)
    assert choice.precision == expected
    assert gains["measured"] == ["product"] + ["update"] * (product >= 1.5)
    assert expected in choice.sentence and f"{choice.gain:.2f} times" in choice.sentence


def test_a_folder_keeps_its_choice_until_the_conditions_change(gains, tmp_path) -> None:
    gains |= {"product": 3.0, "update": 2.0}
    first = chosen(tmp_path)
    gains["product"] = 0.1
    assert chosen(tmp_path) == first and first.precision == "bf16"
    assert chosen(tmp_path, CONDITIONS | {"threads": 2}).precision == "fp32"


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"precision": "fp8", "gain": 2, "conditions": {}}'])
def test_a_damaged_choice_is_made_again(gains, tmp_path, content: str) -> None:
    (tmp_path / precision.FILE).write_text(content)
    assert chosen(tmp_path).precision == "fp32"
    assert chosen(tmp_path).gain == 1.0 and len(gains["measured"]) == 1


def test_a_gain_is_the_ratio_of_the_best_calls(monkeypatch) -> None:
    durations = [4.0, 2.0, 6.0, 1.0, 5.0, 3.0, 4.5, 8.0, 7.0, 2.5]
    ends = iter([reading for each in durations for reading in (0.0, each)])
    monkeypatch.setattr(time, "perf_counter", lambda: next(ends))
    assert precision._gain(lambda: None, lambda: None) == 4.0 / 1.0


def test_what_is_measured_leaves_the_model_and_the_random_numbers(bert) -> None:
    model, state = bert(), torch.get_rng_state()
    before = {name: each.clone() for name, each in model.state_dict().items()}
    assert update_gain(model, 2, 5) > 0
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(each, before[name]) for name, each in model.state_dict().items())
    assert all(each.grad is None for each in model.parameters())


def test_bf16_is_slower_or_faster_on_this_machine() -> None:
    assert product_gain() > 0


@pytest.mark.parametrize("update", [1.0, 2.0])
def test_a_training_is_known_by_the_precision_that_is_used(options, gains, update: float) -> None:
    gains |= {"product": 2.0, "update": update}
    asked = dataclasses.replace(options, device="cpu", precision="auto")
    expected = "bf16" if update >= 1.5 else "fp32"
    study, explicit = (
        resolve(each, *find_experiments("table1")) for each in (asked, dataclasses.replace(asked, precision=expected))
    )
    assert [job.key for job in study.trainings] == [job.key for job in explicit.trainings]
    assert study.trainings[0].identity["precision"] == expected
    assert study.context.for_other_processes().options.precision == expected
    assert study.provenance.precision == expected
    assert study.provenance.precision_chosen.startswith(f"Precision {expected} was chosen")
    assert explicit.provenance.precision_chosen is None


def test_auto_chooses_for_a_cpu_alone(options, monkeypatch) -> None:
    monkeypatch.setattr("benchmarks.jobs.context.choose_device", lambda name: "cuda")
    with pytest.raises(UserError, match="--precision auto chooses for a CPU, and this run uses cuda"):
        RunSpec(dataclasses.replace(options, precision="auto")).load()
