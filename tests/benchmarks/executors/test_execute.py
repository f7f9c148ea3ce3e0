"""The driver: what waits for what, what is said, and that a repeated command redoes nothing."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from demo_jobs import study_of
from in_process import InProcess
from rich.console import Console

from benchmarks.executors.execute import execute, executor_for
from benchmarks.executors.local import LocalExecutor
from benchmarks.executors.progress import Reporter
from benchmarks.experiments.catalogue import EXPERIMENTS
from benchmarks.jobs.resolve import resolve


@pytest.fixture
def options(options):
    return replace(options, recipes="textfooler")


def quiet() -> Reporter:
    return Reporter(Console(file=io.StringIO()))


def test_attacks_wait_for_all_trainings_and_nothing_is_done_twice(options, monkeypatch: pytest.MonkeyPatch) -> None:
    study = study_of(options, "fine_tune", "early_bert")
    output, working = io.StringIO(), InProcess(study.context)
    execute(study, Reporter(Console(file=output, width=200)), working)
    names = [f"demo {job.defense.title} seed 42" for job in study.trainings]
    assert working.submitted[:2] == names
    assert sorted(working.submitted[2:]) == sorted(f"{name}: TextFooler" for name in names)
    lines = output.getvalue().splitlines()
    assert lines[0] == "executor in process"
    trainings = [f"[{number}/2] {name}" for number, name in enumerate(names, start=1)]
    assert all(line.startswith(f"{name}: trained in ") for line, name in zip(lines[1:3], trainings, strict=True))
    assert all(" s" in line and "TextFooler in" in line for line in lines[3:]) and len(lines) == 5

    monkeypatch.setattr("benchmarks.executors.execute.executor_for", lambda *a: pytest.fail("something was done again"))
    execute(study, quiet())


def test_without_timing_an_attack_waits_for_its_own_model_alone(options) -> None:
    study = study_of(replace(options, untimed=True, workers=2), "fine_tune", "early_bert")
    working = InProcess(study.context)
    execute(study, quiet(), working)
    first, second = (f"demo {job.defense.title} seed 42" for job in study.trainings)
    assert working.done == [first, second, f"{first}: TextFooler", f"{second}: TextFooler"]
    assert working.submitted.index(working.done[2]) == 2, "it is submitted as soon as its training ended"
    for job in study.trainings:
        assert job.record(study.store).invalid == ["timing was not asked for: other work may have run beside it"]


@pytest.mark.parametrize("untimed", [True, False])
def test_the_attack_that_makes_texts_comes_before_the_training_that_needs_them(options, untimed: bool) -> None:
    study = study_of(replace(options, untimed=untimed), "augmentation")
    working = InProcess(study.context)
    execute(study, quiet(), working)
    base, title = "demo Fine-tune seed 42", study.trainings[1].defense.title
    assert working.done[:3] == [base, f"{base}: TextFooler on training texts", f"demo {title} seed 42"]
    assert len(working.done) == 4, "what was trained for another alone is attacked on no test text"


def test_a_failure_leaves_the_executor_and_the_same_command_goes_on(options) -> None:
    study = study_of(options, "fine_tune", runs=2)
    broken = InProcess(study.context, fail="demo Fine-tune seed 43")
    with pytest.raises(RuntimeError, match=r"^demo Fine-tune seed 43 failed$"):
        execute(study, quiet(), broken)
    assert broken.left_by is RuntimeError
    again = InProcess(study.context)
    execute(study, quiet(), again)
    assert again.submitted[0] == "demo Fine-tune seed 43" and len(again.submitted) == 3


def test_a_model_that_diverged_is_not_attacked(options) -> None:
    study = study_of(options, "fine_tune", learning_rate="1e30", max_grad_norm="none")
    output, working = io.StringIO(), InProcess(study.context)
    execute(study, Reporter(Console(file=output, width=200)), working)
    assert working.done == ["demo Fine-tune seed 42"]
    assert "diverged: the loss of stage 'train' is nan" in output.getvalue()


def test_protocols_share_one_training(options) -> None:
    study = resolve(
        replace(options, variants="early_robust,first_texts,attack_length"), EXPERIMENTS["release-vs-paper"]
    )
    execute(study, quiet(), InProcess(study.context))
    assert len(study.trainings) == len(list(study.store.trainings())) == 1
    plain, longer, first = (row.attacks[0].record(study.store) for row in study.rows)
    assert len({plain.key, longer.key, first.key}) == len(list(study.store.attacks())) == 3
    assert longer.identity["max_length"] == 512 and "max_length" not in first.identity
    assert first.example_ids == [example.id for example in study.context.tasks["demo"].dataset.test[:3]]


def test_the_options_choose_the_executor(options) -> None:
    assert isinstance(executor_for(study_of(options, "fine_tune")), LocalExecutor)
    pytest.importorskip("ray")
    from benchmarks.executors.ray import RayExecutor

    assert isinstance(executor_for(study_of(replace(options, executor="ray"), "fine_tune")), RayExecutor)
