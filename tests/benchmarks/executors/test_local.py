"""Places and processes: who starts where, who is reused, and how an end without an answer is told."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from child_work import Vanishing
from demo_jobs import context_of

from baselines.fine_tune import FineTune
from benchmarks.attacks.recipes import TEXTFOOLER
from benchmarks.executors import local as local_executor
from benchmarks.executors.executor import Done, Progress
from benchmarks.executors.local import LocalExecutor, visible_gpus
from benchmarks.experiments.experiment import USUAL
from benchmarks.jobs.job import AttackJob, TrainJob
from benchmarks.results.store import Store


class FakeConnection:
    """Takes items."""

    def __init__(self):
        self.jobs, self.closed = [], False

    def send(self, item) -> None:
        self.jobs.append(item)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Makes an executor whose processes are imaginary; those that were started are listed."""

    def executor(device: str = "cpu", attacks_each: int = 1, **options) -> LocalExecutor:
        usual = {"workers": 2, "untimed": False, "wait": True}
        asked = SimpleNamespace(**usual | options)
        context = SimpleNamespace(
            options=asked,
            device=device,
            store=Store(tmp_path / "out", waits=asked.wait),
            for_other_processes=lambda: SimpleNamespace(options=asked),
        )
        working = LocalExecutor(context, attacks_each)
        working.started = []

        def new_worker(place, item):
            process = SimpleNamespace(join=lambda: None, terminate=lambda: None, exitcode=-9)
            working.started.append(place)
            return local_executor._Worker(place, process, FakeConnection(), item)

        monkeypatch.setattr(working, "_new_worker", new_worker)
        return working

    monkeypatch.setattr(local_executor, "visible_gpus", lambda: ["0", "1", "2"])
    return executor


def training(name: str) -> TrainJob:
    return TrainJob(name, FineTune(), 42, {"name": name})


def attack(name: str) -> AttackJob:
    return AttackJob("t", name, "fine_tune", "Fine-tune", 42, TEXTFOOLER, USUAL, ("a", "b", "c"), {"name": name})


def end(working: LocalExecutor, key: str) -> None:
    """Has the process that is at `key` answer."""
    (worker,) = [worker for worker in working._busy.values() if worker.job.task == key]
    worker.connection.recv, done = lambda: ("result", None), Done(worker.job.key)
    assert working._heard_from(worker) == done


def under_way(working: LocalExecutor) -> dict[str, str]:
    return {place: worker.job.task for place, worker in working._busy.items()}


def test_trainings_that_are_timed_go_one_at_a_time_each_in_a_process_of_its_own(make) -> None:
    working = make()
    for key in ("a", "b"):
        working.submit(training(key))
    assert under_way(working) == {"core 0": "a"}
    end(working, "a")
    assert list(under_way(working).values()) == ["b"]
    assert len(working.started) == 2


def test_what_another_command_is_at_waits_and_what_is_free_is_taken(make, caplog, monkeypatch) -> None:
    monkeypatch.setattr(local_executor, "POLL_SECONDS", 0.01)
    working, jobs = make(), [training(key) for key in ("a", "b", "c")]
    store = working._elsewhere._store
    with store.locked("trainings", jobs[0].key):
        for job in jobs:
            working.submit(job)
        assert under_way(working) == {"core 0": "b"}
        end(working, "b")
        assert list(under_way(working).values()) == ["c"]
        end(working, "c")
        assert list(working.events()) == [] and under_way(working) == {}
    assert list(working.events()) == [] and list(under_way(working).values()) == ["a"], "the other has ended"
    assert caplog.text.count("is running in another process; waiting for its end, while other work continues") == 1


def test_where_it_may_not_wait_what_another_command_is_at_is_begun_and_refused_there(make) -> None:
    working, job = make(wait=False), training("a")
    with working._elsewhere._store.locked("trainings", job.key):
        working.submit(job)
        assert list(under_way(working).values()) == ["a"]


def test_trainings_that_are_not_timed_go_side_by_side(make) -> None:
    working = make(untimed=True)
    for key in ("a", "b", "c"):
        working.submit(training(key))
    assert under_way(working) == {"core 0": "a", "core 1": "b"}
    assert working.describe() == (
        "executor local: 2 trainings at a time, 2 attacks, each on one core; times do not count"
    )


def test_each_gpu_has_one_item_and_one_gpu_is_used_unless_more_are_asked_for(make) -> None:
    working = make("cuda", workers=2)
    for key in ("a", "b", "c"):
        working.submit(training(key))
    assert under_way(working) == {"0": "a", "1": "b"}
    assert make("cuda", workers=None)._places == ["0"]


def test_attacks_share_a_gpu_where_asked_and_trainings_never_do(make) -> None:
    working = make("cuda", workers=None)
    assert working._places == ["0"] and "each on one GPU" in working.describe()
    sharing = make("cuda", workers=2, attacks_each=3)
    assert sharing.describe() == "executor local: 2 trainings at a time, 6 attacks, each on one GPU, side by side"
    for key in "abc":
        sharing.submit(training(key))
    assert under_way(sharing) == {"0": "a", "1": "b"}
    for key in "abc":
        end(sharing, key)
    for number in range(7):
        sharing.submit(attack(f"x{number}"))
    assert len(under_way(sharing)) == 6
    assert [sharing._gpus[place] for place in under_way(sharing)] == ["0", "1"] * 3


def test_a_process_attacks_one_model_after_another_and_makes_room_for_a_training(make) -> None:
    working = make(untimed=True, workers=1)
    for key in ("x", "y"):
        working.submit(attack(key))
    end(working, "x")
    assert under_way(working) == {"core 0": "y"} and len(working.started) == 1
    (worker,) = working._busy.values()
    end(working, "y")
    working.submit(training("a"))
    assert len(working.started) == 2 and worker.connection.closed


def test_progress_and_refusals_come_through(make) -> None:
    working = make()
    working.submit(training("a"))
    (worker,) = working._busy.values()
    worker.connection.recv = lambda: ("progress", (1, 7))
    assert working._heard_from(worker) == Progress(training("a").key, 1, 7)
    worker.connection.recv = lambda: ("refusal", ValueError("a sentence"))
    with pytest.raises(ValueError, match=r"^a sentence$"):
        working._heard_from(worker)


@pytest.mark.parametrize("error", [EOFError, ConnectionResetError])
def test_a_process_that_is_gone_is_told_with_its_exit_code(make, error: type[Exception]) -> None:
    working = make()
    working.submit(training("a"))
    (worker,) = working._busy.values()

    def gone():
        raise error

    worker.connection.recv = gone
    with pytest.raises(
        RuntimeError, match="the process of a Fine-tune seed 42 ended without an answer, with exit code -9"
    ):
        working._heard_from(worker)


def test_gpus_are_named_as_this_process_was_given_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-abc")
    assert visible_gpus() == ["3", "GPU-abc"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setattr(local_executor.torch.cuda, "device_count", lambda: 2)
    assert visible_gpus() == ["0", "1"]


def test_a_killed_process_ends_the_work_here_with_a_sentence(options, tmp_path: Path) -> None:
    with LocalExecutor(context_of(replace(options, workers=1))) as working:
        working.submit(Vanishing(str(tmp_path / "pid")))
        with pytest.raises(RuntimeError, match="the process of demo ended without an answer, with exit code -9"):
            for _ in range(60):
                list(working.events())
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
