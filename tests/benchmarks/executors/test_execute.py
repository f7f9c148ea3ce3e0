"""The driver: what waits for what, what is said, and that a repeated command redoes nothing."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from in_process import InProcess
from rich.console import Console

from benchmarks.executors.execute import execute
from benchmarks.executors.progress import Reporter
from benchmarks.experiments.experiment import Terms, cells
from benchmarks.jobs.attack import stored_attacks
from benchmarks.jobs.plan import Plan
from benchmarks.jobs.resolve import resolve


@pytest.fixture
def options(options):
    return replace(options, recipes="textfooler")


def quiet() -> Reporter:
    return Reporter(Console(file=io.StringIO()))


def test_attacks_wait_for_all_trainings_and_nothing_is_done_twice(options, monkeypatch: pytest.MonkeyPatch) -> None:
    setup = resolve(options)
    planned = cells(setup.preset, ["demo"], ["fine_tune", "early_bert"], runs=1)
    output, working = io.StringIO(), InProcess(setup)
    trained = execute(setup, Plan.without_estimate(setup, planned), Reporter(Console(file=output, width=200)), working)
    assert [record.defense for record in trained] == [cell.defense.key for cell in planned]
    names = [f"demo {cell.defense.title} seed 42" for cell in planned]
    trainings = [f"[{number}/2] {name}" for number, name in enumerate(names, start=1)]
    assert working.submitted == trainings + [f"{name}: TextFooler" for name in names]
    lines = output.getvalue().splitlines()
    assert lines[0] == "executor in process"
    assert all(line.startswith(f"{name}: trained in ") for line, name in zip(lines[1:3], trainings, strict=True))
    assert all(" s" in line and "TextFooler in" in line for line in lines[3:]) and len(lines) == 5

    monkeypatch.setattr("benchmarks.executors.execute.executor_for", lambda *a: pytest.fail("something was done again"))
    assert execute(setup, Plan.without_estimate(setup, planned), quiet()) == trained


def test_without_timing_an_attack_waits_for_its_own_model_alone(options) -> None:
    setup = resolve(replace(options, untimed=True, workers=2))
    planned = cells(setup.preset, ["demo"], ["fine_tune", "early_bert"], runs=1)
    working = InProcess(setup)
    first, second = execute(setup, Plan.without_estimate(setup, planned), quiet(), working)
    names = [cell.defense.title for cell in planned]
    assert working.done == [
        f"[1/2] demo {names[0]} seed 42",
        f"[2/2] demo {names[1]} seed 42",
        f"demo {names[0]} seed 42: TextFooler",
        f"demo {names[1]} seed 42: TextFooler",
    ]
    assert working.submitted.index(working.done[2]) == 2, "it is submitted as soon as its training ended"
    assert first.invalid == second.invalid == ["timing was not asked for: other work may have run beside it"]


def test_what_a_training_takes_texts_from_is_trained_before_it(options) -> None:
    setup = resolve(replace(options, untimed=True))
    planned = cells(setup.preset, ["demo"], ["augmentation"], runs=1)
    working = InProcess(setup)
    (record,) = execute(setup, Plan.without_estimate(setup, planned), quiet(), working)
    assert working.done[:2] == ["demo Fine-tune seed 42", f"[1/1] demo {record.title} seed 42"]
    assert len(working.done) == 3, "what was trained for another alone is not attacked"


def test_a_failure_leaves_the_executor_and_the_same_command_goes_on(options) -> None:
    setup = resolve(options)
    planned = cells(setup.preset, ["demo"], ["fine_tune"], runs=2)
    broken = InProcess(setup, fail="[2/2] demo Fine-tune seed 43")
    with pytest.raises(RuntimeError, match=r"^\[2/2\] demo Fine-tune seed 43 failed$"):
        execute(setup, Plan.without_estimate(setup, planned), quiet(), broken)
    assert broken.left_by is RuntimeError
    again = InProcess(setup)
    assert len(execute(setup, Plan.without_estimate(setup, planned), quiet(), again)) == 2
    assert again.submitted[0] == "[2/2] demo Fine-tune seed 43" and len(again.submitted) == 3


def test_cells_that_differ_in_their_attacks_share_one_training(options) -> None:
    setup = resolve(options)
    (cell,) = cells(setup.preset, ["demo"], ["fine_tune"], runs=1)
    planned = [cell, replace(cell, terms=Terms(subset="first")), replace(cell, terms=Terms(max_length=8))]
    first, *others = execute(setup, Plan.without_estimate(setup, planned), quiet(), InProcess(setup))
    assert others == [first, first]
    attacks = {
        record.identity["examples"]: record for record in setup.store.attacks() if "max_length" in record.identity
    }
    assert len(list(setup.store.attacks())) == 3 and len(attacks) == 1
    stored = [next(stored_attacks(setup.under(each.terms), first))[1] for each in planned]
    assert len({record.key for record in stored}) == 3
    assert stored[1].example_ids == [example.id for example in setup.tasks["demo"].dataset.test[:3]]
