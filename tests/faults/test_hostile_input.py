"""Faults inside the work: losses that are not finite, poisoned texts, damaged caches, half-written files."""

from __future__ import annotations

import logging
import time
from dataclasses import replace

import pytest
from demo_jobs import attack_on, context_of, job_of, study_of

from benchmarks.attacks import engine
from benchmarks.attacks.searches import GreedySearch
from benchmarks.jobs.train import train
from benchmarks.victims.victim import Victim
from reports.experiments import report_on


def test_a_rate_that_blows_the_weights_up_gives_a_diverged_record_and_a_blank(options) -> None:
    context = context_of(options)
    record = train(context, job_of(context, learning_rate="1e30", max_grad_norm="none"))
    assert record.status == "diverged" and record.weights_sha256 is None and record.clean_correct == ""
    assert "the loss of stage 'train' is nan at update" in record.error
    assert context.store.training(record.key) == record
    assert not context.store.checkpoints_folder(record.key).exists()
    table = report_on(study_of(options, "fine_tune", learning_rate="1e30", max_grad_norm="none")).table
    assert table.incomplete and any("Diverged and blank: Fine-tune" in line for line in table.caption)


def test_a_text_that_breaks_the_victim_is_an_error_and_its_neighbours_are_not(options, monkeypatch) -> None:
    context = context_of(options)
    job = job_of(context)
    train(context, job)
    whole = attack_on(context, job)
    expected = {each.example_id: each for each in context.store.outcomes(whole.key)}
    poison = context.tasks["demo"].attacked[1]
    ask = Victim.__call__

    def poisoned(self, texts):
        if any(text == poison.texts for text in texts):
            raise MemoryError("out of memory on this text")
        return ask(self, texts)

    monkeypatch.setattr(Victim, "__call__", poisoned)
    again = context_of(replace(options, out=options.out.with_name("again")))
    train_without(monkeypatch, ask, again)
    monkeypatch.setattr(Victim, "__call__", poisoned)
    found = {each.example_id: each for each in again.store.outcomes(attack_on(again, job).key)}
    broken = found.pop(poison.id)
    assert broken.status == "error" and "MemoryError: out of memory on this text" in broken.error
    assert found == {name: each for name, each in expected.items() if name != poison.id}
    table = report_on(study_of(again.options, "fine_tune")).table
    assert table.incomplete and any("more than 1 % of their texts broke" in line for line in table.caption)


def train_without(monkeypatch, ask, context):
    """The training, which asks its own test texts, with the victim as it is."""
    monkeypatch.setattr(Victim, "__call__", ask)
    return train(context, job_of(context))


def test_a_text_on_which_the_search_hangs_is_an_error(options, monkeypatch) -> None:
    context = context_of(options)
    job = job_of(context)
    train(context, job)
    poison = context.tasks["demo"].attacked[2]
    search = GreedySearch.attack

    def hanging(self, example):
        if example == poison:
            end = time.monotonic() + 30
            while time.monotonic() < end:
                pass
        return (yield from search(self, example))

    monkeypatch.setattr(GreedySearch, "attack", hanging)
    monkeypatch.setattr(engine, "STEP_SECONDS", 0.5)
    outcomes = context.store.outcomes(attack_on(context, job).key)
    (broken,) = [each for each in outcomes if each.status == "error"]
    assert broken.example_id == poison.id and "TimeoutError: it took more than 0.5 s of the processor" in broken.error


def test_a_damaged_token_cache_changes_nothing_and_is_said(options, caplog) -> None:
    context = context_of(options)
    record = train(context, job_of(context))
    for path in (options.out / "tokens").iterdir():
        raw = bytearray(path.read_bytes())
        raw[-40] ^= 1
        path.write_bytes(raw)
    context.store.set_aside("trainings", record.key, "for the test")
    with caplog.at_level(logging.WARNING):
        assert train(context, job_of(context)).weights_sha256 == record.weights_sha256
    assert "is corrupted" in caplog.text


@pytest.mark.parametrize("size", [0, 1, 300])
def test_half_written_files_are_moved_away_and_redone(options, size: int) -> None:
    context = context_of(options)
    job = job_of(context)
    record = train(context, job)
    attacked = attack_on(context, job)
    outcomes = context.store.outcomes(attacked.key)
    for kind, key in (("trainings", record.key), ("attacks", attacked.key)):
        path = context.store.root / kind / key / "record.json"
        path.write_bytes(path.read_bytes()[:size])
        (path.parent / ".record.json-x1y2").write_text("{")  # what a kill leaves of a file under way
    assert len(context.store.quarantine()) == 2
    again = train(context, job_of(context))
    assert again.weights_sha256 == record.weights_sha256
    assert context.store.outcomes(attack_on(context, job).key) == outcomes
