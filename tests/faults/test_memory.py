"""Memory that runs out: for real where the system can bound a process, and played where a job is to be told apart."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from demo_jobs import attack_on, context_of, job_of

from benchmarks.jobs import train as training
from benchmarks.results.store import Store
from benchmarks.victims.victim import Victim


@pytest.mark.integration
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the size of a process is read from /proc")
def test_in_a_process_of_bounded_size() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", Path(__file__).with_name("memory_runs_out.py")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout


def test_a_batch_that_cannot_be_cut_fails_its_cell_and_no_other(options, monkeypatch: pytest.MonkeyPatch) -> None:
    context = context_of(replace(options, allow_accumulation=True))
    real = training.fit

    def without_room(defense, model, batches, *, parts=1, **rest):
        if parts == 1 and rest.get("keeper") is not None:
            raise MemoryError("no room")
        return real(defense, model, batches, parts=parts, **rest)

    monkeypatch.setattr(training, "fit", without_room)
    record = training.train(context, job_of(context, "free_at", epochs="1"))
    assert record.status == "failed" and "are replayed and cannot be cut into parts" in record.error
    assert training.train(context, job_of(context, epochs="1")).status == "finished"


def test_a_training_in_parts_that_is_killed_goes_on_in_parts(options, monkeypatch: pytest.MonkeyPatch) -> None:
    context = context_of(replace(options, allow_accumulation=True))
    job = job_of(context, epochs="1")
    real, attempts = training.fit, []

    def narrow(defense, model, batches, *, parts=1, **rest):
        if rest.get("keeper") is not None:
            attempts.append(parts)
            if parts < 2:
                raise MemoryError("no room")
        return real(defense, model, batches, parts=parts, **rest)

    def killed(stage, progress):
        os.kill(os.getpid(), 15)

    monkeypatch.setattr(training, "fit", narrow)
    with pytest.raises(KeyboardInterrupt):
        training.train(context, job, on_update=killed)
    resumed = training.train(context, job)
    assert attempts == [1, 2, 2], "what did not fit is not tried again"
    assert resumed.flags[-1] == "resumed 1 times"
    whole = training.train(replace(context, store=Store(options.out.with_name("whole"))), job)
    assert whole.weights_sha256 == resumed.weights_sha256
    assert not context.store.checkpoints_folder(resumed.key).exists()


def test_a_text_too_large_even_alone_is_an_error_and_its_neighbours_are_not(options) -> None:
    context = context_of(options)
    job = job_of(context, epochs="1")
    training.train(context, job)
    attacked = context.tasks["demo"].attacked
    broken = attacked[1]
    real = Victim._batch_forward

    def narrow(self, rows):
        ids = self._pieces.rows([broken.texts])[0]
        if ids in rows:
            raise MemoryError("no room")
        return real(self, rows)

    Victim._batch_forward = narrow
    try:
        done = attack_on(context, job)
    finally:
        Victim._batch_forward = real
    found = {each.example_id: each.status for each in context.store.outcomes(done.key)}
    assert found.pop(broken.id) == "error" and "error" not in found.values()
