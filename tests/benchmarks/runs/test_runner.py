"""One cell: the same seed gives the same weights and outcomes; what is stored is not redone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from baselines.training import fit
from benchmarks.attacks.recipes import TEXTBUGGER
from benchmarks.clock.cost import update_passes
from benchmarks.results.store import Store
from benchmarks.runs.defenses import TABLE_ORDER
from benchmarks.runs.experiments import cells
from benchmarks.runs.runner import (
    WARM_UP_UPDATES,
    _batches_of,
    attack_key,
    attack_model,
    remaining,
    stored_attacks,
    train,
    training_batches,
    training_key,
    warm_up,
)
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


def test_a_second_process_at_the_same_cell_is_refused(options) -> None:
    setup = resolve(options)
    cell = cell_of(setup)
    key = training_key(setup, cell)
    with setup.store.locked("trainings", key), pytest.raises(ValueError, match="under way already: by process"):
        train(setup, cell)
    record = train(setup, cell)
    attacked = attack_key(setup, "demo", key, TEXTBUGGER)
    with setup.store.locked("attacks", attacked), pytest.raises(ValueError, match="under way already: by process"):
        attack_model(setup, record, TEXTBUGGER)
    assert setup.store.outcomes(attacked) == []


def test_what_was_stored_meanwhile_is_taken(options, monkeypatch: pytest.MonkeyPatch) -> None:
    setup = resolve(options)
    cell = cell_of(setup)
    record = train(setup, cell)
    attacked = attack_model(setup, record, TEXTBUGGER)
    monkeypatch.setattr("benchmarks.runs.runner.fit", lambda *a, **k: pytest.fail("was trained again"))
    monkeypatch.setattr("benchmarks.runs.runner.attack_all", lambda *a, **k: pytest.fail("was attacked again"))
    assert train(setup, cell).started_at == record.started_at
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


@pytest.mark.parametrize("defense", TABLE_ORDER)
def test_warming_up_takes_every_stage_and_leaves_no_trace(options, defense: str) -> None:
    setup = resolve(options)
    cell = cell_of(setup, defense)
    model = setup.backbone.new_classifier(2, 0)
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    batches = training_batches(setup, setup.tasks["demo"], 0)
    stages: list[str] = []
    torch.manual_seed(7)
    drawn = torch.get_rng_state()
    warm_up(cell.defense, model, batches, "fp32", on_update=lambda stage, progress: stages.append(stage.name))
    assert torch.equal(torch.get_rng_state(), drawn)
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert not any(parameter.grad is not None for parameter in model.parameters())
    logs = fit(cell.defense, model, batches)
    assert list(dict.fromkeys(stages)) == [log.name for log in logs]
    assert all(stages.count(log.name) == min(WARM_UP_UPDATES, log.updates) for log in logs)


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
