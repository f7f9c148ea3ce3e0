"""One experiment in this process, in two processes and on a Ray cluster of two workers: the same records."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from demo_jobs import study_of
from in_process import InProcess, results
from rich.console import Console

from benchmarks.executors.execute import execute
from benchmarks.executors.executor import Executor
from benchmarks.executors.local import LocalExecutor
from benchmarks.executors.progress import Reporter
from benchmarks.experiments.options import Options
from benchmarks.results.store import Store
from benchmarks.results.verify import verify

ROOT = Path(__file__).resolve().parents[3]
RAY_BYTES = 100 * 2**20


@pytest.fixture(scope="module")
def small(tiny_backbone, tmp_path_factory) -> Options:
    """A model and an attack on it take a second."""
    return Options(
        preset="demo",
        backbone=str(tiny_backbone),
        out=tmp_path_factory.mktemp("serial"),
        train_texts=40,
        test_texts=20,
        attacked=3,
        recipes="textfooler",
        threads=1,
    )


def done(options: Options, *defenses: str, executor: type[Executor] = InProcess) -> Store:
    """An experiment, finished in a store of its own."""
    study = study_of(options, *defenses)
    execute(study, Reporter(Console(file=io.StringIO())), executor(study.context))
    return study.store


@pytest.fixture(scope="module")
def serial(small: Options) -> Iterator[Store]:
    """What one process makes of two methods, one of which takes texts from the other."""
    yield done(small, "fine_tune", "augmentation")


@pytest.mark.integration
def test_two_processes_side_by_side_make_what_one_makes(small: Options, serial: Store, tmp_path: Path) -> None:
    options = replace(small, out=tmp_path / "out", workers=2, untimed=True)
    store = done(options, "fine_tune", "augmentation", executor=LocalExecutor)
    assert results(store) == results(serial)
    assert verify(store) == []
    assert all(record.invalid for record in store.trainings())
    assert not any(record.invalid for record in serial.trainings())
    assert not list(options.out.glob("locks/*"))


def on_ray(options: Options, *defenses: str) -> Store:
    """An experiment on a Ray of its own with two workers."""
    pytest.importorskip("ray", reason="Ray is not installed; pip install 'earlyrobust[ray]'")
    from benchmarks.executors.ray import RayExecutor

    study = study_of(replace(options, executor="ray", workers=2, untimed=True), *defenses)
    working = RayExecutor(study.context, study.jobs, object_store_memory=RAY_BYTES)
    execute(study, Reporter(Console(file=io.StringIO())), working)
    return study.store


def scratch_folders() -> set[Path]:
    return {path for path in Path(tempfile.gettempdir()).glob("earlyrobust-*") if len(path.name) == 28}


@pytest.mark.integration
def test_a_ray_cluster_makes_what_one_process_makes_and_leaves_nothing_behind(small: Options, tmp_path: Path) -> None:
    before, handler = scratch_folders(), signal.getsignal(signal.SIGTERM)
    alone = done(replace(small, out=tmp_path / "serial"), "fine_tune")
    store = on_ray(replace(small, out=tmp_path / "out"), "fine_tune")
    assert results(store) == results(alone)
    assert verify(store) == []
    assert not list((tmp_path / "out").glob("locks/*"))
    assert scratch_folders() == before
    assert signal.getsignal(signal.SIGTERM) is handler


@pytest.mark.integration
def test_a_killed_ray_worker_costs_nothing_but_time(small: Options, serial: Store, tmp_path: Path) -> None:
    before = scratch_folders()
    killed = []

    def kill_one() -> None:
        """Kill the first process that is seen at an attack or a training."""
        while not killed:
            for lock in [path for folder in scratch_folders() - before for path in folder.glob("locks/*-*")]:
                try:
                    pid = json.loads(lock.read_text("utf-8"))["pid"]
                except (OSError, ValueError):
                    continue
                os.kill(pid, signal.SIGKILL)
                killed.append(lock.name)
                return
            time.sleep(0.001)

    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    store = on_ray(replace(small, out=tmp_path / "out"), "fine_tune", "augmentation")
    killer.join(1)
    assert len(killed) == 1
    assert results(store) == results(serial)
    assert verify(store) == []


RAY_DRIVER = """
import sys, time
import psutil
from dataclasses import replace
from pathlib import Path
from benchmarks.executors.ray import RayExecutor
from benchmarks.experiments.options import Options
from benchmarks.jobs.context import RunSpec

options = Options(preset="demo", backbone=sys.argv[1], out=Path(sys.argv[2]), train_texts=40, test_texts=20, attacked=3,
                  recipes="textfooler", threads=1, executor="ray", workers=1, untimed=True)
with RayExecutor(RunSpec(options).load(), [], object_store_memory=100 * 2**20):
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    listening = [c.laddr.ip for each in processes for c in each.net_connections("inet") if c.status == "LISTEN"]
    print(*listening)
    print(*[each.pid for each in processes], flush=True)
    time.sleep(600)
"""


@pytest.mark.integration
def test_a_ray_started_here_listens_on_loopback_alone_and_ends_with_its_killed_driver(small, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed; pip install 'earlyrobust[ray]'")
    command = [sys.executable, "-c", RAY_DRIVER, small.backbone, str(tmp_path / "out")]
    driver = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
    listening, pids = driver.stdout.readline().split(), driver.stdout.readline().split()
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    assert listening and {ip.removeprefix("::ffff:") for ip in listening} == {"127.0.0.1"}
    _, alive = psutil.wait_procs([psutil.Process(int(pid)) for pid in pids if psutil.pid_exists(int(pid))], timeout=30)
    assert [each for each in alive if each.status() != psutil.STATUS_ZOMBIE] == []
