"""What trackers are told, once, after the work; nothing where none is asked for."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
from demo_jobs import study_of
from made_up import attack, outcome, training

from benchmarks.jobs.train import train
from reports.frame import AttackResult
from reports.trackers import library_of, points, track

STAGES = [
    {"name": "search", "losses": [2.0, 1.0], "trace": {"boundaries": [boundary]}}
    for boundary in [{"update": 2, "head_distance": 0.5, "neuron_distance": None}]
] + [{"name": "fine_tune", "losses": [0.5], "trace": {}}]


class Recording:
    """A module with the functions that wandb and trackio share."""

    def __init__(self) -> None:
        self.runs: list[dict] = []

    def init(self, **options) -> None:
        self.runs.append(options | {"logged": [], "finished": False})

    def log(self, values, step) -> None:
        self.runs[-1]["logged"].append((step, values))

    def finish(self) -> None:
        self.runs[-1]["finished"] = True


@pytest.fixture
def trained(options):
    study = study_of(replace(options, recipes="textfooler"), "fine_tune")
    return study, [train(study.context, job) for job in study.trainings]


def test_losses_distances_and_what_was_reached() -> None:
    record = training(stages=STAGES)
    attacked = AttackResult(attack(record, texts=2), [outcome(0), outcome(1, "successful", 30)])
    *curve, (last, end) = points(record, [attacked])
    assert curve == [
        (1, {"search/loss": 2.0}),
        (2, {"search/loss": 1.0, "search/head_distance": 0.5}),
        (3, {"fine_tune/loss": 0.5}),
    ]
    assert (last, end) == (
        3,
        {
            "parameters_kept_percent": 80.0,
            "clean_percent": 75.0,
            "training_seconds": 10.0,
            "textfooler/aua_percent": 50.0,
            "textfooler/queries": 20.0,
        },
    )


def test_a_time_that_does_not_count_and_a_diverged_run_leave_gaps() -> None:
    record = training(status="diverged", clean_correct="")
    assert dict(points(record, []))[0] == {"parameters_kept_percent": 80.0}


@pytest.mark.parametrize("tracker", ["wandb", "trackio"])
def test_a_run_is_logged_once(trained, tracker, monkeypatch) -> None:
    study, records = trained
    module = Recording()
    monkeypatch.setitem(sys.modules, tracker, module)
    assert track(study.store, study.jobs, tracker) == 1
    (run,) = module.runs
    assert run["project"] == "earlyrobust" and run["config"] == records[0].identity and run["finished"]
    assert run["name"].startswith("demo fine_tune seed 42 ")
    losses = [values["train/loss"] for _, values in run["logged"][:-1]]
    assert losses == records[0].stages[0]["losses"]
    assert track(study.store, study.jobs, tracker) == 0 and len(module.runs) == 1


def test_tensorboard_writes_events(trained) -> None:
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    study, records = trained
    assert track(study.store, study.jobs, "tensorboard") == 1
    (folder,) = (path for path in (study.store.root / "tracked" / "tensorboard").iterdir() if path.is_dir())
    events = EventAccumulator(str(folder)).Reload()
    found = [each.value for each in events.Scalars("train/loss")]
    assert found == pytest.approx(records[0].stages[0]["losses"], rel=1e-6), "events are in single precision"


def test_unknown_and_absent_trackers_are_refused(monkeypatch) -> None:
    with pytest.raises(ValueError, match=r"unknown tracker 'tensorbord'; did you mean 'tensorboard'\?"):
        library_of("tensorbord")
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ValueError, match="--track wandb needs a package that is not installed; pip install wandb"):
        library_of("wandb")
