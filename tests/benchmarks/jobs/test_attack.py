"""One attack: it goes on where it was cut, on the weights that were trained and no others."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from demo_cell import cell_of

from baselines.threads import cpu_threads
from benchmarks.attacks.recipes import TEXTBUGGER
from benchmarks.experiments.experiment import cells
from benchmarks.jobs.attack import attack_key, attack_model, remaining, stored_attacks
from benchmarks.jobs.resolve import resolve
from benchmarks.jobs.train import train


def comparable(outcomes) -> list:
    return [outcome.as_json() for outcome in outcomes]


def test_an_attack_continues_where_it_was_cut(options) -> None:
    setup = resolve(options)
    record = train(setup, cell_of(setup))
    whole = attack_model(setup, record, TEXTBUGGER)
    expected = comparable(setup.store.outcomes(whole.key))
    folder = setup.store.outcomes_path(whole.key)
    (folder.parent / "record.json").unlink()
    lines = folder.read_bytes().splitlines(keepends=True)
    folder.write_bytes(lines[0] + lines[1][:20])
    assert len(remaining(setup.store, whole.key, setup.tasks["demo"].attacked)) == 2
    again = attack_model(setup, record, TEXTBUGGER)
    assert comparable(setup.store.outcomes(again.key)) == expected


def test_it_computes_on_one_thread_whatever_training_takes(options) -> None:
    setup, seen = resolve(options), []
    record = train(setup, cell_of(setup))
    with cpu_threads(2):
        attack_model(setup, record, TEXTBUGGER, on_outcome=lambda: seen.append(torch.get_num_threads()))
        assert torch.get_num_threads() == 2
    assert set(seen) == {1}


def test_a_pruned_model_is_attacked_from_the_store(options) -> None:
    setup = resolve(options)
    record = train(setup, cell_of(setup, "early_bert"))
    assert record.parameters_kept < record.parameters_before
    assert len(setup.store.outcomes(attack_model(setup, record, TEXTBUGGER).key)) == 3


def test_a_second_process_at_the_same_attack_is_refused_where_it_may_not_wait(options) -> None:
    setup = resolve(replace(options, wait=False))
    record = train(setup, cell_of(setup))
    attacked = attack_key(setup, "demo", record.key, TEXTBUGGER)
    with setup.store.locked("attacks", attacked), pytest.raises(ValueError, match="under way already: by process"):
        attack_model(setup, record, TEXTBUGGER)
    assert setup.store.outcomes(attacked) == []


def test_what_was_attacked_meanwhile_is_taken(options, monkeypatch: pytest.MonkeyPatch) -> None:
    setup = resolve(options)
    record = train(setup, cell_of(setup))
    attacked = attack_model(setup, record, TEXTBUGGER)
    monkeypatch.setattr("benchmarks.jobs.attack.attack_all", lambda *a, **k: pytest.fail("was attacked again"))
    assert attack_model(setup, record, TEXTBUGGER).seconds == attacked.seconds


def test_weights_of_another_training_are_moved_away_and_redone(options) -> None:
    setup = resolve(options)
    first, second = cells(setup.preset, ["demo"], ["fine_tune"], runs=2)
    record, other = train(setup, first), train(setup, second)
    path = setup.store.weights_path(record.key)
    path.write_bytes(setup.store.weights_path(other.key).read_bytes())
    with pytest.raises(RuntimeError, match=r"not those that were trained; it was moved to .* by the same command"):
        attack_model(setup, record, TEXTBUGGER)
    assert setup.store.training(record.key) is None
    again = train(setup, first)
    assert again.weights_sha256 == record.weights_sha256
    assert len(setup.store.outcomes(attack_model(setup, again, TEXTBUGGER).key)) == 3


def test_an_attack_on_weights_that_changed_is_redone(options) -> None:
    setup = resolve(options)
    record = train(setup, cell_of(setup))
    attacked = attack_model(setup, record, TEXTBUGGER)
    setup.store.victim_path(attacked.key).write_text('{"weights_sha256": "' + "0" * 64 + '"}')
    assert dict(stored_attacks(setup, record))[TEXTBUGGER] is None
    again = attack_model(setup, record, TEXTBUGGER)
    assert dict(stored_attacks(setup, record))[TEXTBUGGER].seconds == again.seconds
    assert len(setup.store.outcomes(again.key)) == 3
