"""Cells a minute: what is counted, and that records are compared."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.speed.executor_speed import _contents, time_executors


@pytest.mark.integration
def test_executors_are_timed_on_the_same_cells(options) -> None:
    lines = []
    asked = replace(options, recipes="textfooler", runs=1)
    first, second = time_executors(asked, ways=(("local", 1), ("local", 2)), say=lines.append)
    assert (first.executor, first.workers, first.cells, first.equal) == ("local", 1, 1, True)
    assert (second.workers, second.equal) == (2, True)
    assert first.seconds > 0 and len(lines) == 2 and lines[1].startswith("local, 2 workers: 1 cells in ")
    assert not options.out.exists(), "nothing is written where results go"


def test_what_is_compared_is_weights_answers_and_outcomes(options) -> None:
    from benchmarks.experiments.experiment import cells
    from benchmarks.jobs.attack import attack_model
    from benchmarks.jobs.resolve import resolve
    from benchmarks.jobs.train import train

    setup = resolve(options)
    (cell,) = cells(setup.preset, ["demo"], ["fine_tune"], runs=1)
    record = train(setup, cell)
    attacked = attack_model(setup, record, setup.recipes[0])
    found = _contents(setup.store)
    assert found[record.key] == (record.weights_sha256, record.clean_correct)
    assert [outcome.example_id for outcome in found[attacked.key]] == sorted(attacked.example_ids)
