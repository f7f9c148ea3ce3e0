"""What the driver does with a cluster, on nodes that are not there; `test_executors` has a real one."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from in_process import results

pytest.importorskip("ray", reason="Ray is not installed; pip install 'earlyrobust[ray]'")

from benchmarks.executors import ray as ray_executor
from benchmarks.executors.ray import Node, RayExecutor, footprint, work_there
from benchmarks.experiments.experiment import Terms, cells
from benchmarks.jobs.attack import attack_model
from benchmarks.jobs.plan import Plan
from benchmarks.jobs.resolve import resolve
from benchmarks.jobs.train import train
from benchmarks.jobs.work import RunSpec, attacks_to_do, trainings_of
from benchmarks.results.store import Store
from benchmarks.results.verify import verify


@pytest.fixture
def options(options):
    return replace(options, recipes="textfooler", executor="ray")


def planned(setup, runs: int = 1, defenses=("fine_tune",)):
    return trainings_of(setup, Plan.without_estimate(setup, cells(setup.preset, ["demo"], defenses, runs=runs)))


def begun(executor: RayExecutor, *nodes: Node) -> list[tuple[str, int]]:
    """Where queued items would begin, by node and seed."""
    found = []
    for item in executor._trainings:
        node = executor._room_for(item, nodes)
        if node is not None:
            node.blocks.add((item.task, item.seed))
            node.free -= executor._needs(item, node)
            found.append((node.id, item.seed))
    return found


def test_a_block_stays_where_it_began_though_others_are_free(options) -> None:
    setup = resolve(options)
    executor = RayExecutor(setup, planned(setup, runs=2, defenses=["fine_tune", "early_bert", "freelb"]))
    executor._on_gpu = True
    small, large = Node("small", "s", 1), Node("large", "l", 8)
    where = begun(executor, small, large)
    assert where == [("large", 42)] * 3 + [("large", 43)] * 3
    small, large = Node("small", "s", 2), Node("large", "l", 2)
    assert begun(executor, small, large) == [("small", 42)] * 2 + [("large", 43)] * 2, "the third of each waits"


def test_a_block_whose_machine_is_lost_goes_on_elsewhere(options) -> None:
    setup = resolve(options)
    executor = RayExecutor(setup, planned(setup))
    lost, other = Node("lost", "x", 2, blocks={("demo", 42)}), Node("other", "y", 2)
    assert executor._room_for(executor._trainings[0], [lost, other]) is lost
    assert executor._room_for(executor._trainings[0], [other]) is other


def test_a_timed_training_on_a_cpu_has_the_machine_for_itself(options) -> None:
    timed, node = resolve(options), Node("a", "a", 8)
    (item,) = planned(timed)
    assert RayExecutor(timed, [item])._needs(item, node) == 8
    assert RayExecutor(timed, [item])._run_spec(node).options.threads == 1, "as was asked for"
    untimed = resolve(replace(options, untimed=True))
    assert RayExecutor(untimed, [item])._needs(item, node) == 1
    whole = resolve(replace(options, threads=None))
    assert RayExecutor(whole, [item])._run_spec(node).options.threads == 8


def test_nodes_are_given_whole_paths(options, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(options.backbone)
    monkeypatch.chdir(folder.parent)
    setup = resolve(replace(options, backbone=folder.name, synonyms=Path("words.json")))
    there = RayExecutor(setup, [])._run_spec(Node("a", "a", 1)).options
    assert (there.backbone, there.synonyms) == (str(folder), folder.parent / "words.json")


def test_the_same_command_finds_the_folders_of_its_nodes_again(options, tmp_path: Path) -> None:
    setup = resolve(options)
    items = planned(setup, runs=2)
    name = RayExecutor(setup, items)._scratch_name()
    assert RayExecutor(setup, items)._scratch_name() == name
    assert RayExecutor(setup, items[:1])._scratch_name() != name, "another command has others"
    elsewhere = resolve(replace(options, out=tmp_path / "elsewhere"))
    assert RayExecutor(elsewhere, items)._scratch_name() != name, "another store too"


def test_a_footprint_tells_other_data_other_resources_and_other_code(options) -> None:
    setup = resolve(options)
    items = planned(setup)
    here = footprint(setup, items)
    assert footprint(resolve(options), items) == here
    other = footprint(resolve(replace(options, train_texts=39)), items)
    assert {name for name in here if here[name] != other[name]} == {"training"}
    newer = replace(setup, versions=setup.versions | {"torch": "9"})
    assert {name for name in here if here[name] != footprint(newer, items)[name]} == {"versions"}


class Told:
    """A queue that remembers."""

    def __init__(self):
        self.heard = []

    def put_nowait(self, item) -> None:
        self.heard.append(item)


@pytest.fixture
def a_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The node's folder for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "node"))
    monkeypatch.setattr(ray_executor, "_known", None)
    (tmp_path / "node").mkdir()
    return tmp_path / "node"


def test_what_travels_to_a_node_and_back_is_what_one_store_would_hold(options, a_node: Path, tmp_path: Path) -> None:
    alone = resolve(replace(options, out=tmp_path / "alone"))
    for cell in cells(alone.preset, ["demo"], ["fine_tune"], runs=1):
        attack_model(alone, train(alone, cell), alone.recipes[0])

    setup, told = resolve(options), Told()
    (item,) = planned(setup)
    (kind, _), made = work_there(RunSpec.of(setup), "scratch", item, told, {})
    assert (kind, list(made)) == ("result", [f"trainings/{item.key}"])
    assert told.heard[0] == (item.key, 0), "the start is told at once, the rest once a second"
    assert not setup.store.keys("trainings"), "the node writes its own folder alone"
    for folder, files in made.items():
        setup.store.unpack(folder, files)
    (attack,) = attacks_to_do(setup, [Terms()], setup.store.training(item.key))
    needed = {f"trainings/{item.key}": setup.store.pack(f"trainings/{item.key}")}
    (kind, _), made = work_there(RunSpec.of(setup), "scratch", attack, told, {}, needed)
    assert kind == "result"
    for folder, files in made.items():
        setup.store.unpack(folder, files)
    assert results(setup.store) == results(alone.store) and verify(setup.store) == []
    assert results(Store(a_node / "scratch")) == results(alone.store)
    assert (a_node / "scratch").stat().st_mode & 0o777 == 0o700
    ray_executor._remove("scratch")
    assert not list(a_node.iterdir())


def test_a_refusal_on_a_node_comes_back_as_a_message(options, a_node: Path) -> None:
    setup = resolve(options)
    (item,) = planned(setup)
    other = RunSpec.of(resolve(replace(options, train_texts=39)))
    (kind, error), made = work_there(other, "scratch", item, Told(), {})
    assert (kind, made) == ("refusal", {})
    assert "was planned otherwise than it would be trained: data" in str(error)
