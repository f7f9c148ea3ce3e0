"""One training: the same seed gives the same weights; what is stored is not redone; warming up leaves no trace."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from demo_jobs import attack_on, context_of, job_of

from baselines.training import WARM_UP_UPDATES, fit, warm_up
from benchmarks.clock.cost import update_passes
from benchmarks.experiments.defenses import TABLE_ORDER
from benchmarks.jobs.batches import task_batches
from benchmarks.jobs.train import train
from benchmarks.results.store import Store


def comparable(outcomes) -> list:
    return [outcome.as_json() for outcome in outcomes]


def test_two_runs_of_one_seed_are_identical(options, tmp_path) -> None:
    hashes, outcomes, clean = [], [], []
    for name in ("a", "b"):
        context = context_of(replace(options, out=tmp_path / name))
        job = job_of(context, "freelb", steps="2")
        record = train(context, job)
        attacked = attack_on(context, job)
        hashes.append(record.weights_sha256)
        clean.append(record.clean_correct)
        outcomes.append(comparable(context.store.outcomes(attacked.key)))
        torch.rand(3)  # the global random state must not matter
    assert hashes[0] == hashes[1]
    assert clean[0] == clean[1]
    assert outcomes[0] == outcomes[1] and len(outcomes[0]) == 3


def test_a_record_tells_what_was_done(options) -> None:
    context = context_of(options)
    job = job_of(context, "pgd", steps="1")
    record = train(context, job)
    assert record.key == job.key
    assert Store(options.out).training(record.key) == record
    (stage,) = record.stages
    assert stage["updates"] == 15 and stage["passes"] == {"forward": 30, "backward_full": 15, "backward_input": 15}
    assert record.clock == "host" and record.seconds["gpu"] > 0
    assert len(record.clean_correct) == 20
    assert record.parameters_kept == record.parameters_before


def test_a_run_that_diverges_is_a_record(options, monkeypatch: pytest.MonkeyPatch) -> None:
    context = context_of(options)
    fresh = type(context.backbone).new_classifier

    def poisoned(self, labels, seed):
        model = fresh(self, labels, seed)
        with torch.no_grad():
            model.classifier.bias.fill_(float("nan"))
        return model

    monkeypatch.setattr(type(context.backbone), "new_classifier", poisoned)
    record = train(context, job_of(context))
    assert record.status == "diverged"
    assert "nan at update 1" in record.error
    assert context.store.training(record.key) == record


def test_a_second_process_at_the_same_training_is_refused_where_it_may_not_wait(options) -> None:
    context = context_of(replace(options, wait=False))
    job = job_of(context)
    with (
        context.store.locked("trainings", job.key),
        pytest.raises(ValueError, match="under way already: by process"),
    ):
        train(context, job)
    assert train(context, job).status == "finished"


def test_what_was_trained_meanwhile_is_taken(options, monkeypatch: pytest.MonkeyPatch) -> None:
    context = context_of(options)
    job = job_of(context)
    record = train(context, job)
    monkeypatch.setattr("benchmarks.jobs.train.fit", lambda *a, **k: pytest.fail("was trained again"))
    assert train(context, job).started_at == record.started_at


@pytest.mark.parametrize("defense", TABLE_ORDER)
def test_warming_up_takes_every_stage_and_leaves_no_trace(options, defense: str) -> None:
    context = context_of(options)
    job = job_of(context, defense)
    model = context.backbone.new_classifier(2, 0)
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    batches = task_batches(context, "demo", 0)
    stages: list[str] = []
    torch.manual_seed(7)
    drawn = torch.get_rng_state()
    warm_up(job.defense, model, batches, on_update=lambda stage, progress: stages.append(stage.name))
    assert torch.equal(torch.get_rng_state(), drawn)
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert not any(parameter.grad is not None for parameter in model.parameters())
    logs = fit(job.defense, model, batches)
    assert list(dict.fromkeys(stages)) == [log.name for log in logs]
    assert all(stages.count(log.name) == min(WARM_UP_UPDATES, log.updates) for log in logs)


@pytest.mark.parametrize("defense", ["rift", "ascc", "adv_hotflip", "fat"])
def test_a_defense_with_needs_is_trained_and_counted(options, defense: str) -> None:
    context = context_of(options)
    job = job_of(context, defense, epochs="1")
    record = train(context, job)
    (stage,) = record.stages
    updates, each = stage["updates"], vars(update_passes(job.defense))
    assert record.status == "finished" and updates == 5
    assert stage["passes"] == {name: updates * count for name, count in each.items()}
