"""A job is done by whoever is given it, and refused by a process with other data."""

from __future__ import annotations

from dataclasses import replace

import pytest
from demo_jobs import context_of, job_of

from benchmarks.attacks.recipes import TEXTBUGGER
from benchmarks.jobs.attack import silent
from benchmarks.jobs.resolve import attack_job
from benchmarks.jobs.run import run


def test_a_training_then_an_attack_tell_how_they_get_on(options) -> None:
    context, told = context_of(replace(options, attacked=8)), []
    training = job_of(context)
    attack = attack_job(context, training, TEXTBUGGER)
    run(context, training, lambda amount=1, *, queries=0: told.append((amount, queries)))
    assert told == [(1, 0)] * 15
    told.clear()
    run(context, attack, lambda amount=1, *, queries=0: told.append((amount, queries)))
    assert told.count((1, 0)) == 8
    within = [queries for amount, queries in told if not amount]
    assert told[0] == (0, within[0]), "queries are told before the first text is done"
    assert sum(within) >= sum(each.queries for each in context.store.outcomes(attack.key)) > 0
    assert training.record(context.store) and attack.record(context.store)


def test_a_process_with_other_data_refuses_a_job(options) -> None:
    context = context_of(options)
    training = job_of(context)
    other = context_of(replace(options, train_texts=39))
    with pytest.raises(RuntimeError, match="demo Fine-tune seed 42: the configuration changed after planning: data"):
        run(other, training, silent)
    fewer = context_of(replace(options, attacked=2))
    with pytest.raises(RuntimeError, match="TextBugger: the configuration changed after planning: examples"):
        run(fewer, attack_job(context, training, TEXTBUGGER), silent)
    assert not other.store.keys("trainings")
