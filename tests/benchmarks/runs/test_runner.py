"""One cell: the same seed gives the same weights and outcomes; what is stored is not redone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from benchmarks.attacks.recipes import TEXTBUGGER
from benchmarks.clock.cost import update_passes
from benchmarks.results.store import Store
from benchmarks.runs.experiments import cells
from benchmarks.runs.runner import _batches_of, attack_model, remaining, train, training_batches, training_key
from benchmarks.runs.setup import resolve


def cell_of(setup, defense: str = "fine_tune", **settings):
    return cells(setup.preset, ["demo"], [defense], runs=1, settings=settings)[0]


def comparable(outcomes) -> list:
    return [outcome.as_json() for outcome in outcomes]


def test_two_runs_of_one_seed_are_identical(options, tmp_path) -> None:
    hashes, outcomes, clean = [], [], []
    for name in ("a", "b"):
        setup = resolve(replace(options, out=tmp_path / name))
        record = train(setup, cell_of(setup, "freelb", steps="2"))
        attacked = attack_model(setup, record, TEXTBUGGER)
        hashes.append(record.weights_sha256)
        clean.append(record.clean_correct)
        outcomes.append(comparable(setup.store.outcomes(attacked.key)))
        torch.rand(3)  # the global random state must not matter
    assert hashes[0] == hashes[1]
    assert clean[0] == clean[1]
    assert outcomes[0] == outcomes[1] and len(outcomes[0]) == 3


def test_an_attack_continues_where_it_was_cut(options) -> None:
    setup = resolve(options)
    record = train(setup, cell_of(setup))
    whole = attack_model(setup, record, TEXTBUGGER)
    expected = comparable(setup.store.outcomes(whole.key))
    folder = setup.store.outcomes_path(whole.key)
    (folder.parent / "record.json").unlink()
    lines = folder.read_bytes().splitlines(keepends=True)
    folder.write_bytes(lines[0] + lines[1][:20])
    assert len(remaining(setup, whole.key, setup.tasks["demo"])) == 2
    again = attack_model(setup, record, TEXTBUGGER)
    assert comparable(setup.store.outcomes(again.key)) == expected


def test_a_record_tells_what_was_done(options) -> None:
    setup = resolve(options)
    cell = cell_of(setup, "pgd", steps="1")
    record = train(setup, cell)
    assert record.key == training_key(setup, cell)
    assert Store(options.out).training(record.key) == record
    (stage,) = record.stages
    assert stage["updates"] == 6 and stage["passes"] == {"forward": 12, "backward_full": 6, "backward_input": 6}
    assert record.clock == "host" and record.seconds["gpu"] > 0
    assert len(record.clean_correct) == 20
    assert record.parameters_kept == record.parameters_before


def test_a_pruned_model_is_attacked_from_the_store(options) -> None:
    setup = resolve(options)
    record = train(setup, cell_of(setup, "early_bert"))
    assert record.parameters_kept < record.parameters_before
    assert len(setup.store.outcomes(attack_model(setup, record, TEXTBUGGER).key)) == 3


def test_a_run_that_diverges_is_a_record(options, monkeypatch: pytest.MonkeyPatch) -> None:
    setup = resolve(options)
    fresh = type(setup.backbone).new_classifier

    def poisoned(self, labels, seed):
        model = fresh(self, labels, seed)
        with torch.no_grad():
            model.classifier.bias.fill_(float("nan"))
        return model

    monkeypatch.setattr(type(setup.backbone), "new_classifier", poisoned)
    record = train(setup, cell_of(setup))
    assert record.status == "diverged"
    assert "nan at update 1" in record.error
    assert setup.store.training(record.key) == record


def test_a_defense_gets_the_batches_it_needs_and_others_those_of_ever(options) -> None:
    setup = resolve(options)
    plain, _ = _batches_of(setup, cell_of(setup))
    rich, _ = _batches_of(setup, cell_of(setup, "ascc"))
    for ever, one, other in zip(
        training_batches(setup, setup.tasks["demo"], 42).epoch(0), plain.epoch(0), rich.epoch(0), strict=True
    ):
        assert one.substitutes is None and one.replaceable is None
        assert all(value.equal(one.inputs()[name]) for name, value in ever.inputs().items())
        assert all(value.equal(one.inputs()[name]) for name, value in other.inputs().items())
        assert (other.substitutes != other.substitutes[..., :1]).any()
    (flips,) = {int(batch.replaceable.sum()) for batch in _batches_of(setup, cell_of(setup, "adv_hotflip"))[0].epoch(0)}
    assert 20_000 < flips < len(setup.tokenizer)
    for batch in _batches_of(setup, cell_of(setup, "rift"))[0].epoch(0):
        assert batch.labels.tolist() == [0] * 8 + [1] * 8


@pytest.mark.parametrize("defense", ["rift", "ascc", "adv_hotflip"])
def test_a_defense_with_needs_is_trained_and_counted(options, defense: str) -> None:
    setup = resolve(options)
    cell = cell_of(setup, defense, epochs="1")
    record = train(setup, cell)
    (stage,) = record.stages
    updates, each = stage["updates"], vars(update_passes(cell.defense))
    assert record.status == "finished" and updates == 3
    assert stage["passes"] == {name: updates * count for name, count in each.items()}
