"""One attack: it goes on where it was cut, on the weights that were trained and no others."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from demo_jobs import attack_on, context_of, job_of

from baselines.threads import cpu_threads
from benchmarks.attacks.recipes import TEXTBUGGER
from benchmarks.jobs.resolve import attack_job
from benchmarks.jobs.train import train


def comparable(outcomes) -> list:
    return [outcome.as_json() for outcome in outcomes]


def test_an_attack_continues_where_it_was_cut(options) -> None:
    context = context_of(options)
    job = job_of(context)
    train(context, job)
    whole = attack_on(context, job)
    assert whole.machine == context.machine | {"products": "torch"}, "the model's layers are too small for oneDNN's"
    expected = comparable(context.store.outcomes(whole.key))
    folder = context.store.outcomes_path(whole.key)
    (folder.parent / "record.json").unlink()
    lines = folder.read_bytes().splitlines(keepends=True)
    folder.write_bytes(lines[0] + lines[1][:20])
    assert len(attack_job(context, job, TEXTBUGGER).remaining(context.store)) == 2
    again = attack_on(context, job)
    assert comparable(context.store.outcomes(again.key)) == expected


def test_it_computes_on_one_thread_whatever_training_takes(options) -> None:
    context, seen = context_of(options), []
    job = job_of(context)
    train(context, job)
    with cpu_threads(2):
        attack_on(context, job, TEXTBUGGER, on_progress=lambda *_, **__: seen.append(torch.get_num_threads()))
        assert torch.get_num_threads() == 2
    assert set(seen) == {1}


def test_a_pruned_model_is_attacked_from_the_store(options) -> None:
    context = context_of(options)
    job = job_of(context, "early_bert")
    record = train(context, job)
    assert record.parameters_kept < record.parameters_before
    assert len(context.store.outcomes(attack_on(context, job).key)) == 3


def test_a_second_process_at_the_same_attack_is_refused_where_it_may_not_wait(options) -> None:
    context = context_of(replace(options, wait=False))
    job = job_of(context)
    train(context, job)
    attacked = attack_job(context, job, TEXTBUGGER).key
    with context.store.locked("attacks", attacked), pytest.raises(ValueError, match="under way already: by process"):
        attack_on(context, job)
    assert context.store.outcomes(attacked) == []


def test_what_was_attacked_meanwhile_is_taken(options, monkeypatch: pytest.MonkeyPatch) -> None:
    context = context_of(options)
    job = job_of(context)
    train(context, job)
    attacked = attack_on(context, job)
    monkeypatch.setattr("benchmarks.jobs.attack.attack_all", lambda *a, **k: pytest.fail("was attacked again"))
    assert attack_on(context, job).seconds == attacked.seconds


def test_weights_of_another_training_are_moved_away_and_redone(options) -> None:
    context = context_of(options)
    first, second = job_of(context), job_of(context, seed=43)
    record, other = train(context, first), train(context, second)
    path = context.store.weights_path(record.key)
    path.write_bytes(context.store.weights_path(other.key).read_bytes())
    with pytest.raises(RuntimeError, match=r"not those that were trained; it was moved to .* by the same command"):
        attack_on(context, first)
    assert context.store.training(record.key) is None
    again = train(context, first)
    assert again.weights_sha256 == record.weights_sha256
    assert len(context.store.outcomes(attack_on(context, first).key)) == 3


def test_an_attack_on_weights_that_changed_is_redone(options) -> None:
    context = context_of(options)
    job = job_of(context)
    train(context, job)
    attacked = attack_on(context, job)
    context.store.victim_path(attacked.key).write_text('{"weights_sha256": "' + "0" * 64 + '"}')
    assert attack_job(context, job, TEXTBUGGER).record(context.store) is None
    again = attack_on(context, job)
    assert attack_job(context, job, TEXTBUGGER).record(context.store).seconds == again.seconds
    assert len(context.store.outcomes(again.key)) == 3
