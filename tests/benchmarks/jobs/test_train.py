"""One training: the same seed gives the same weights; what is stored is not redone; warming up leaves no trace."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from demo_cell import cell_of

from baselines.training import fit
from benchmarks.attacks.recipes import TEXTBUGGER
from benchmarks.clock.cost import update_passes
from benchmarks.experiments.defenses import TABLE_ORDER
from benchmarks.jobs.attack import attack_model
from benchmarks.jobs.batches import training_batches
from benchmarks.jobs.resolve import resolve
from benchmarks.jobs.train import WARM_UP_UPDATES, train, training_key, warm_up
from benchmarks.results.store import Store


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


def test_a_second_process_at_the_same_training_is_refused_where_it_may_not_wait(options) -> None:
    setup = resolve(replace(options, wait=False))
    cell = cell_of(setup)
    with (
        setup.store.locked("trainings", training_key(setup, cell)),
        pytest.raises(ValueError, match="under way already: by process"),
    ):
        train(setup, cell)
    assert train(setup, cell).status == "finished"


def test_what_was_trained_meanwhile_is_taken(options, monkeypatch: pytest.MonkeyPatch) -> None:
    setup = resolve(options)
    cell = cell_of(setup)
    record = train(setup, cell)
    monkeypatch.setattr("benchmarks.jobs.train.fit", lambda *a, **k: pytest.fail("was trained again"))
    assert train(setup, cell).started_at == record.started_at


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


@pytest.mark.parametrize("defense", ["rift", "ascc", "adv_hotflip"])
def test_a_defense_with_needs_is_trained_and_counted(options, defense: str) -> None:
    setup = resolve(options)
    cell = cell_of(setup, defense, epochs="1")
    record = train(setup, cell)
    (stage,) = record.stages
    updates, each = stage["updates"], vars(update_passes(cell.defense))
    assert record.status == "finished" and updates == 3
    assert stage["passes"] == {name: updates * count for name, count in each.items()}
