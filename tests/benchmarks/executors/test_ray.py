"""What the driver does with a cluster, on nodes that are not there; `test_executors` has a real one."""

from __future__ import annotations

import json
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from demo_jobs import attack_on, context_of, job_of, study_of
from in_process import results

pytest.importorskip("ray", reason="Ray is not installed; pip install 'earlyrobust[ray]'")


from baselines.validation import MachineError
from benchmarks.executors import ray as ray_executor
from benchmarks.executors.ray import Node, RayExecutor, samples, work_there
from benchmarks.jobs.train import train
from benchmarks.results.locks import Held, UnderWay
from benchmarks.results.store import Store
from benchmarks.results.verify import verify


@pytest.fixture
def options(options):
    return replace(options, recipes="textfooler", executor="ray")


def begun(executor: RayExecutor, *nodes: Node) -> list[tuple[str, int]]:
    """Where queued jobs would begin, by node and seed."""
    found = []
    for job in executor._jobs:
        node = executor._room_for(job, nodes)
        if node is not None:
            node.blocks.add((job.task, job.seed))
            node.free -= executor._needs(job, node)
            found.append((node.id, job.seed))
    return found


def test_a_block_stays_where_it_began_though_others_are_free(options) -> None:
    study = study_of(options, "fine_tune", "early_bert", "freelb", runs=2)
    executor = RayExecutor(study.context, study.trainings)
    executor._on_gpu = True
    small, large = Node("small", "s", 1), Node("large", "l", 8)
    where = begun(executor, small, large)
    assert where == [("large", 42)] * 3 + [("large", 43)] * 3
    small, large = Node("small", "s", 2), Node("large", "l", 2)
    assert begun(executor, small, large) == [("small", 42)] * 2 + [("large", 43)] * 2, "the third of each waits"


def test_a_block_whose_machine_is_lost_goes_on_elsewhere(options) -> None:
    context = context_of(options)
    executor = RayExecutor(context, [job_of(context)])
    lost, other = Node("lost", "x", 2, blocks={("demo", 42)}), Node("other", "y", 2)
    assert executor._room_for(executor._jobs[0], [lost, other]) is lost
    assert executor._room_for(executor._jobs[0], [other]) is other


def test_a_timed_training_on_a_cpu_has_the_machine_for_itself(options) -> None:
    timed, node = context_of(options), Node("a", "a", 8)
    job = job_of(timed)
    assert RayExecutor(timed, [job])._needs(job, node) == 8
    assert RayExecutor(timed, [job])._spec(node).options.threads == 1, "as was asked for"
    untimed = context_of(replace(options, untimed=True))
    assert RayExecutor(untimed, [job])._needs(job, node) == 1
    whole = context_of(replace(options, threads=None))
    assert RayExecutor(whole, [job])._spec(node).options.threads == whole.machine["threads"]


def test_nodes_are_given_whole_paths(options, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(options.backbone)
    monkeypatch.chdir(folder.parent)
    Path("words").mkdir(exist_ok=True)
    context = context_of(replace(options, backbone=folder.name, assets=Path("words")))
    there = RayExecutor(context, [])._spec(Node("a", "a", 1)).options
    assert (there.backbone, there.assets) == (str(folder), folder.parent / "words")


def test_the_same_command_finds_the_folders_of_its_nodes_again(options, tmp_path: Path) -> None:
    context = context_of(options)
    jobs = [job_of(context), job_of(context, seed=43)]
    name = RayExecutor(context, jobs)._scratch_name()
    assert RayExecutor(context, jobs)._scratch_name() == name
    assert RayExecutor(context, jobs[:1])._scratch_name() != name, "another command has others"
    elsewhere = context_of(replace(options, out=tmp_path / "elsewhere"))
    assert RayExecutor(elsewhere, jobs)._scratch_name() != name, "another store too"


def test_nodes_are_asked_about_each_method_and_each_recipe_once(options) -> None:
    study = study_of(options, "fine_tune", "freelb", runs=2)
    asked = samples(study.jobs)
    assert [job.label for job in asked if job.kind == "trainings"] == [job.label for job in study.trainings[:2]]
    assert [job.recipe.key for job in asked if job.kind == "attacks"] == ["textfooler"]


class Told:
    """A queue that remembers."""

    def __init__(self):
        self.reports = []

    def put_nowait(self, job) -> None:
        self.reports.append(job)


@pytest.fixture
def a_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The node's folder for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "node"))
    monkeypatch.setattr(ray_executor, "_known", None)
    (tmp_path / "node").mkdir()
    return tmp_path / "node"


def test_what_travels_to_a_node_and_back_is_what_one_store_would_hold(options, a_node: Path, tmp_path: Path) -> None:
    alone = context_of(replace(options, out=tmp_path / "alone"))
    train(alone, job_of(alone))
    attack_on(alone, job_of(alone), alone.recipes[0])

    study, told = study_of(options, "fine_tune"), Told()
    (job,), (attack,) = study.trainings, study.attacks
    spec, store = study.context.spec, study.store
    (kind, _), made = work_there(spec, "scratch", job, told, {})
    assert (kind, list(made)) == ("result", [f"trainings/{job.key}"])
    assert told.reports[0] == (job.key, 0, 0), "the start is reported at once, the rest once a second"
    assert not store.keys("trainings"), "the node writes its own folder alone"
    for folder, files in made.items():
        store.unpack(folder, files)
    needed = {f"trainings/{job.key}": store.pack(f"trainings/{job.key}")}
    (kind, _), made = work_there(spec, "scratch", attack, told, {}, needed)
    assert kind == "result"
    for folder, files in made.items():
        store.unpack(folder, files)
    assert results(store) == results(alone.store) and verify(store) == []
    assert results(Store(a_node / "scratch")) == results(alone.store)
    assert (a_node / "scratch").stat().st_mode & 0o777 == 0o700
    ray_executor._remove("scratch")
    assert not list(a_node.iterdir())


def test_a_refusal_on_a_node_comes_back_as_a_message(options, a_node: Path) -> None:
    job, other = job_of(context_of(options)), context_of(replace(options, train_texts=39)).spec
    (kind, error), made = work_there(other, "scratch", job, Told(), {})
    assert (kind, made) == ("refusal", {})
    assert "the configuration changed after planning: data" in str(error)


def test_a_job_that_another_command_is_running_is_queued_again_and_refused_where_it_may_not_wait(options) -> None:
    study = study_of(options, "fine_tune")
    (job,), node = study.trainings, Node("a", "a", 1)
    executor = RayExecutor(study.context, study.trainings)
    with study.store.locked("trainings", job.key):
        executor._begin(job, node)
        assert (executor._queue, executor._tasks, node.free) == ([job], {}, 1)
        executor._context.store.waits = False
        with pytest.raises(Held, match="is under way already: by process"):
            executor._begin(job, node)


def test_a_lock_that_another_machine_left_on_a_shared_disk_is_not_waited_for_without_end(options, monkeypatch) -> None:
    mounts = [SimpleNamespace(mountpoint="/", fstype="nfs4")]
    monkeypatch.setattr("benchmarks.results.locks.psutil.disk_partitions", lambda **_: mounts)
    study = study_of(options, "fine_tune")
    (job,) = study.trainings
    lock = options.out / "locks" / f"trainings-{job.key}"
    lock.parent.mkdir()
    lock.write_text(json.dumps({"host": "elsewhere", "pid": 7, "since": time.time()}))
    with pytest.raises(UnderWay, match=r"begun elsewhere: by process 7 on elsewhere .* remove "):
        RayExecutor(study.context, study.trainings)._begin(job, Node("a", "a", 1))


class Started:
    """What Ray was asked for, in which environment, and what it says of its address; nothing is started."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, address: str):
        self.how: dict = {}
        self.clusters: list[object] = []
        self.was_ended = False
        monkeypatch.setattr(ray_executor.ray, "init", self.init)
        monkeypatch.setattr(ray_executor.ray, "nodes", lambda: [{"NodeManagerAddress": address}])
        monkeypatch.setattr(ray_executor.ray, "shutdown", lambda: setattr(self, "was_ended", True))

    def init(self, **how) -> None:
        self.how = how
        self.clusters = [os.environ.get(CLUSTERS), ray_executor.ray_constants.ENABLE_RAY_CLUSTER]


CLUSTERS = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"


@pytest.mark.parametrize("given", [None, "1", "true"])
def test_a_ray_of_our_own_is_no_cluster_whatever_the_environment_asks_for(options, given, monkeypatch) -> None:
    monkeypatch.delenv(CLUSTERS, raising=False)
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    if given is not None:
        monkeypatch.setenv(CLUSTERS, given)
    before = ray_executor.ray_constants.ENABLE_RAY_CLUSTER
    started = Started(monkeypatch, "127.0.0.1")
    RayExecutor(context_of(options), [])._connect()
    assert started.clusters == ["0", False] and not started.was_ended
    assert (started.how["address"], started.how["include_dashboard"]) == ("local", False)
    assert os.environ.get(CLUSTERS) == given and before == ray_executor.ray_constants.ENABLE_RAY_CLUSTER


@pytest.mark.parametrize("address", ["192.168.1.7", "10.0.0.5", "0.0.0.0", "fd00::5", ""])
def test_a_ray_of_our_own_that_others_could_reach_is_ended_and_refused(options, address: str, monkeypatch) -> None:
    started = Started(monkeypatch, address)
    with pytest.raises(MachineError, match=r"listens on more than 127\.0\.0\.1, .* or take --executor local"):
        RayExecutor(context_of(options), [])._connect()
    assert started.was_ended


def test_a_cluster_of_the_user_s_stays_as_it_is(options, monkeypatch) -> None:
    monkeypatch.delenv(CLUSTERS, raising=False)
    started = Started(monkeypatch, "10.0.0.5")
    RayExecutor(context_of(replace(options, ray_address="10.0.0.5:6379")), [])._connect()
    assert started.how["address"] == "10.0.0.5:6379" and "include_dashboard" not in started.how
    assert started.clusters == [None, ray_executor.ray_constants.ENABLE_RAY_CLUSTER] and not started.was_ended


@pytest.mark.parametrize("error", [OSError("no port"), ValueError("no room"), RuntimeError("no server")])
def test_the_environment_is_as_it_was_where_ray_cannot_be_started(options, error: Exception, monkeypatch) -> None:
    monkeypatch.delenv(CLUSTERS, raising=False)
    before = ray_executor.ray_constants.ENABLE_RAY_CLUSTER

    def fail(**_):
        raise error

    monkeypatch.setattr(ray_executor.ray, "init", fail)
    with pytest.raises(MachineError, match=f"Ray on this machine cannot be started or reached: {error}"):
        RayExecutor(context_of(options), [])._connect()
    assert CLUSTERS not in os.environ and before == ray_executor.ray_constants.ENABLE_RAY_CLUSTER
