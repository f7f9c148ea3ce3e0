"""SIGKILL and SIGTERM at moments of their own choosing: the same command goes on, and ends where none was killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from demo_jobs import attack_on, context_of, job_of
from in_process import results

from benchmarks.attacks.recipes import TEXTBUGGER
from benchmarks.experiments.options import Options
from benchmarks.jobs import train as training
from benchmarks.jobs.context import Context
from benchmarks.results.store import Store
from benchmarks.results.verify import verify

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.integration


def work(context: Context, tell: Callable[[], None] = lambda: None) -> None:
    """Two trainings with a ticket to search, and an attack on each."""
    context.store.quarantine()
    for job in (job_of(context, "early_bert"), job_of(context, "info_bert")):
        training.train(context, job, on_update=lambda stage, progress: tell())
        attack_on(context, job, TEXTBUGGER, on_progress=lambda amount=1, *, queries=0: tell() if amount else None)


def in_child(context: Context, options: Options, ticks: int, number: signal.Signals) -> int:
    """Does the work in a forked process and sends it a signal after some updates and outcomes; its exit code."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            work(replace(context, store=Store(options.out)), lambda: os.write(writer, b"."))
            os._exit(0)
        except KeyboardInterrupt:
            os._exit(75)
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader, "rb", buffering=0) as pipe:
        seen = 0
        while seen < ticks and pipe.read(1):
            seen += 1
        os.kill(child, number)
        while pipe.read(4096):
            pass
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.fixture
def frequent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints at every boundary, however short the training."""
    checkpoints = training.Checkpoints

    def made(*arguments: object, **options: object) -> object:
        keeper = checkpoints(*arguments, **options, least_seconds=0.0)
        keeper._cost = 0.0
        return keeper

    monkeypatch.setattr(training, "Checkpoints", made)


def test_killed_at_random_the_work_ends_as_if_it_never_was(options, frequent) -> None:
    context = context_of(options)
    uninterrupted = replace(options, out=options.out.with_name("whole"))
    work(replace(context, store=Store(uninterrupted.out)))
    draw = random.Random(0)
    codes = [in_child(context, options, draw.randint(1, 9), signal.SIGKILL) for _ in range(3)]
    assert codes == [-signal.SIGKILL] * 3
    work(context)
    assert results(context.store) == results(Store(uninterrupted.out))
    assert verify(context.store) == []
    assert not list(options.out.glob("trainings/*/checkpoints")), "checkpoints go when the record is there"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_training_that_is_asked_to_end_leaves_a_checkpoint_and_goes_on_from_it(options, number) -> None:
    context = context_of(options)
    uninterrupted = replace(options, out=options.out.with_name("whole"))
    work(replace(context, store=Store(uninterrupted.out)))
    assert in_child(context, options, 2, number) == 75
    (checkpoint,) = options.out.glob("trainings/*/checkpoints/stage-0.safetensors")
    assert not list(options.out.glob("trainings/*/record.json"))
    assert not list(options.out.glob("locks/*")), "the lock is given back"
    told = []
    work(context, lambda: told.append(1))
    resumed = context.store.training(checkpoint.parents[1].name)
    assert resumed.flags[-1] == "resumed 1 times"
    updates = sum(stage["updates"] for record in context.store.trainings() for stage in record.stages)
    assert len(told) < updates + 8, "the updates before the checkpoint are not made again"
    assert resumed.seconds["spans"].keys() == Store(uninterrupted.out).training(resumed.key).seconds["spans"].keys()
    assert results(context.store) == results(Store(uninterrupted.out))


def command(options: Options) -> list[str]:
    sizes = ["--train-texts", "40", "--test-texts", "20", "--attacked", "4", "--threads", "1", "--runs", "1"]
    recipe = ["--preset", "demo", "--recipes", "textbugger", "--defenses", "fine_tune,early_bert"]
    where = ["--backbone", options.backbone, "--out", str(options.out)]
    return [sys.executable, "-m", "earlyrobust", "reproduce", "table1", *recipe, *sizes, *where]


@pytest.mark.slow
def test_the_command_killed_at_twenty_random_moments_gives_the_table_of_an_uninterrupted_one(options) -> None:
    """A work that is done is compared and started again in another folder, until twenty commands were really killed."""
    whole = replace(options, out=options.out.with_name("whole"))
    started = time.monotonic()
    assert subprocess.run(command(whole), cwd=ROOT).returncode == 0
    usual = time.monotonic() - started
    draw = random.Random(1)
    kills, folders = 0, 1
    while kills < 20:
        broken = replace(options, out=options.out.with_name(f"broken-{folders}"))
        with subprocess.Popen(command(broken), cwd=ROOT, start_new_session=True) as process:
            try:
                assert process.wait(draw.uniform(0.2, 1.0) * usual) == 0
                done = True
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGKILL)  # it alone: its children must end by themselves
                kills += 1
                done = kills == 20
        time.sleep(2)
        if done:
            assert subprocess.run(command(broken), cwd=ROOT).returncode == 0
            assert results(Store(broken.out)) == results(Store(whole.out))
            assert verify(Store(broken.out)) == []
            folders += 1
    print(f"{kills} kills of {folders - 1} works, {usual:.0f} s each uninterrupted")


@pytest.mark.integration
def test_two_identical_commands_at_once_share_the_work(options) -> None:
    """Whoever of the two comes first to a training or an attack makes it, and the other takes it."""
    whole = replace(options, out=options.out.with_name("whole"))
    both = [subprocess.Popen(command(each), cwd=ROOT) for each in (options, options, whole)]
    assert [each.wait(600) for each in both] == [0, 0, 0]
    assert results(Store(options.out)) == results(Store(whole.out))
    assert verify(Store(options.out)) == []


@pytest.mark.integration
def test_a_command_takes_what_is_free_and_waits_for_what_another_is_at(options) -> None:
    whole = replace(options, out=options.out.with_name("whole"))
    assert subprocess.run(command(whole), cwd=ROOT).returncode == 0
    held = next(record for record in Store(whole.out).trainings() if record.defense == "fine_tune")
    with Store(options.out).locked("trainings", held.key):
        refused = subprocess.run([*command(options), "--no-wait"], cwd=ROOT, capture_output=True, text=True)
        assert refused.returncode == 2 and "is under way already: by process" in refused.stderr, refused.stderr
        waiting = subprocess.Popen(command(options), cwd=ROOT, stderr=subprocess.PIPE, text=True)
        while [record.defense for record in Store(options.out).trainings()] != ["early_bert"]:
            assert waiting.poll() is None
            time.sleep(0.1)
        assert "is running in another process; waiting for its end, while other" in waiting.stderr.readline()
    assert waiting.wait(600) == 0, waiting.stderr.read()
    assert results(Store(options.out)) == results(Store(whole.out))
    assert verify(Store(options.out)) == []


@pytest.mark.slow
def test_the_command_told_to_end_says_so_with_75(options) -> None:
    with subprocess.Popen(command(options), cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        while not list(options.out.glob("locks/trainings-*")):
            time.sleep(0.02)
        process.terminate()
        assert process.wait(60) == 75
        assert process.stderr.read().splitlines()[-1].startswith("earlyrobust: interrupted; the same command continues")
    assert subprocess.run(command(options), cwd=ROOT).returncode == 0
    assert verify(Store(options.out)) == []


INSTANTS = ("before the checkpoint is decided on", "after that", "while it is written", "after the update")


@pytest.mark.parametrize("instant", INSTANTS)
def test_a_signal_beside_the_decision_on_a_checkpoint_loses_no_update(options, monkeypatch, instant: str) -> None:
    """SIGTERM itself, sent at the instant between two lines of the loop, and heard at the next."""
    context = context_of(options)
    job = job_of(context)
    updates = []

    def send(now: str) -> None:
        if now == instant and len(updates) == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    class Watched(training.Checkpoints):
        def due(self, progress):
            send(INSTANTS[0])
            wanted = super().due(progress) or instant == INSTANTS[2]
            send(INSTANTS[1])
            return wanted

        def save(self, stage, state):
            send(INSTANTS[2])
            super().save(stage, state)

    def after_update(stage, progress) -> None:
        updates.append(progress.update)
        send(INSTANTS[3])

    monkeypatch.setattr(training, "Checkpoints", Watched)
    with pytest.raises(KeyboardInterrupt):
        training.train(context, job, on_update=after_update)
    monkeypatch.undo()
    again: list[int] = []
    resumed = training.train(context, job, on_update=lambda stage, progress: again.append(progress.update))
    assert resumed.flags[-1] == "resumed 1 times"
    assert again[0] == updates[-1] + 1, "goes on at the very next update"
    whole = training.train(context_of(replace(options, out=options.out.with_name("whole"))), job)
    assert resumed.weights_sha256 == whole.weights_sha256
