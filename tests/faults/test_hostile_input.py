"""Faults inside the work: losses that are not finite, poisoned texts, damaged caches, half-written files."""

from __future__ import annotations

import logging
import time
from dataclasses import replace

import pytest
from demo_cell import cell_of

from benchmarks.attacks import engine
from benchmarks.attacks.recipes import TEXTBUGGER
from benchmarks.attacks.searches import GreedySearch
from benchmarks.jobs.attack import attack_model
from benchmarks.jobs.resolve import resolve
from benchmarks.jobs.train import train
from benchmarks.victims.victim import Victim
from reports.table1 import table_of_run


def test_a_rate_that_blows_the_weights_up_gives_a_diverged_record_and_a_blank(options) -> None:
    setup = resolve(options)
    record = train(setup, cell_of(setup, learning_rate="1e30", max_grad_norm="none"))
    assert record.status == "diverged" and record.weights_sha256 is None and record.clean_correct == ""
    assert "the loss of stage 'train' is nan at update" in record.error
    assert setup.store.training(record.key) == record
    assert not setup.store.checkpoints_folder(record.key).exists()
    table = table_of_run(setup, [record])
    assert table.incomplete and any("Diverged and blank: Fine-tune" in line for line in table.caption)


def test_a_text_that_breaks_the_victim_is_an_error_and_its_neighbours_are_not(options, monkeypatch) -> None:
    setup = resolve(options)
    record = train(setup, cell_of(setup))
    whole = attack_model(setup, record, TEXTBUGGER)
    expected = {each.example_id: each for each in setup.store.outcomes(whole.key)}
    poison = setup.tasks["demo"].attacked[1]
    ask = Victim.__call__

    def poisoned(self, texts):
        if any(text == poison.texts for text in texts):
            raise MemoryError("out of memory on this text")
        return ask(self, texts)

    monkeypatch.setattr(Victim, "__call__", poisoned)
    again = resolve(replace(options, out=options.out.with_name("again")))
    retrained = train_without(monkeypatch, ask, again)
    monkeypatch.setattr(Victim, "__call__", poisoned)
    found = {each.example_id: each for each in again.store.outcomes(attack_model(again, retrained, TEXTBUGGER).key)}
    broken = found.pop(poison.id)
    assert broken.status == "error" and "MemoryError: out of memory on this text" in broken.error
    assert found == {name: each for name, each in expected.items() if name != poison.id}
    table = table_of_run(again, [retrained])
    assert table.incomplete and any("more than 1 % of their texts broke" in line for line in table.caption)


def train_without(monkeypatch, ask, setup):
    """The training, which asks its own test texts, with the victim as it is."""
    monkeypatch.setattr(Victim, "__call__", ask)
    return train(setup, cell_of(setup))


def test_a_text_on_which_the_search_hangs_is_an_error(options, monkeypatch) -> None:
    setup = resolve(options)
    record = train(setup, cell_of(setup))
    poison = setup.tasks["demo"].attacked[2]
    search = GreedySearch.attack

    def hanging(self, example):
        if example == poison:
            end = time.monotonic() + 30
            while time.monotonic() < end:
                pass
        return (yield from search(self, example))

    monkeypatch.setattr(GreedySearch, "attack", hanging)
    monkeypatch.setattr(engine, "STEP_SECONDS", 0.5)
    outcomes = setup.store.outcomes(attack_model(setup, record, TEXTBUGGER).key)
    (broken,) = [each for each in outcomes if each.status == "error"]
    assert broken.example_id == poison.id and "TimeoutError: it took more than 0.5 s of the processor" in broken.error


def test_a_damaged_token_cache_changes_nothing_and_is_said(options, caplog) -> None:
    setup = resolve(options)
    record = train(setup, cell_of(setup))
    for path in (options.out / "tokens").iterdir():
        raw = bytearray(path.read_bytes())
        raw[-40] ^= 1
        path.write_bytes(raw)
    setup.store.set_aside("trainings", record.key, "for the test")
    with caplog.at_level(logging.WARNING):
        assert train(setup, cell_of(setup)).weights_sha256 == record.weights_sha256
    assert "is corrupted" in caplog.text


@pytest.mark.parametrize("size", [0, 1, 300])
def test_half_written_files_are_moved_away_and_redone(options, size: int) -> None:
    setup = resolve(options)
    record = train(setup, cell_of(setup))
    attacked = attack_model(setup, record, TEXTBUGGER)
    outcomes = setup.store.outcomes(attacked.key)
    for kind, key in (("trainings", record.key), ("attacks", attacked.key)):
        path = setup.store.root / kind / key / "record.json"
        path.write_bytes(path.read_bytes()[:size])
        (path.parent / ".record.json-x1y2").write_text("{")  # what a kill leaves of a file under way
    assert len(setup.store.quarantine()) == 2
    again = train(setup, cell_of(setup))
    assert again.weights_sha256 == record.weights_sha256
    assert setup.store.outcomes(attack_model(setup, again, TEXTBUGGER).key) == outcomes
