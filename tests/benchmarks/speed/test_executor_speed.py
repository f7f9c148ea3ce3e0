"""Cells a minute: what is counted, and that records are compared."""

from __future__ import annotations

from dataclasses import replace

import pytest
from demo_jobs import attack_on, context_of, job_of

from benchmarks.jobs.train import train
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
    context = context_of(options)
    job = job_of(context)
    record = train(context, job)
    attacked = attack_on(context, job, context.recipes[0])
    found = _contents(context.store)
    assert found[record.key] == (record.weights_sha256, record.clean_correct)
    assert [outcome.example_id for outcome in found[attacked.key]] == sorted(attacked.example_ids)
