"""The work of each part of a device study: it uses the GPU in its own processes and returns plain values."""

from __future__ import annotations

import copy
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import nn

from baselines.capture import CudaGraphs
from baselines.defense import Defense
from baselines.fine_tune import FineTune
from baselines.freelb import FreeLB
from baselines.pgd import PGD
from baselines.training import Precision, fit
from baselines.validation import MachineError, UserError
from benchmarks.clock.cost import EncoderShape
from benchmarks.clock.machine import usable_cores
from benchmarks.clock.nvml import cuda_device
from benchmarks.data.tasks import find_task
from benchmarks.device.place import BatchShape, Place
from benchmarks.executors.execute import execute
from benchmarks.executors.local import LocalExecutor
from benchmarks.executors.progress import Reporter
from benchmarks.experiments.catalogue import EXPERIMENTS
from benchmarks.experiments.experiment import FIRST_SEED
from benchmarks.jobs.job import AttackJob
from benchmarks.jobs.plan import look_up
from benchmarks.jobs.resolve import Study, resolve
from benchmarks.speed.attack_speed import WAYS
from benchmarks.speed.bench import bench_attacks, bench_loops
from benchmarks.speed.self_test import same_method_twice, self_tests
from benchmarks.speed.stage_speed import UPDATES_PER_EPOCH, compared_methods, time_methods
from benchmarks.speed.step_profile import StepProfile, profile_updates
from benchmarks.speed.step_speed import RandomBatches, measured_methods, pruned_, random_batch, random_bert

Say = Callable[[str], None]
Work = Callable[[Place, Say], dict[str, Any]]

ROOT = Path(__file__).resolve().parents[2]
MARK = "pytest.mark.gpu"


def clock(place: Place, say: Say) -> dict[str, Any]:
    """Planted faults, and one method under two names."""
    shape = None if place.size == "full" else place.sizes.encoder
    tests = self_tests(place.device, shape)
    first, second = same_method_twice(place.device, say, shape)
    return {"tests": [asdict(each) for each in tests], "first": first, "second": second}


def steps(batch: str, precision: Precision, captured: bool = False) -> Work:
    """Every method's stages at one batch, in one precision, eager or captured."""

    def work(place: Place, say: Say) -> dict[str, Any]:
        sizes = place.sizes
        return _timed(
            place, sizes.encoder, sizes.batches[batch], compared_methods(), sizes.updates, precision, captured, say
        )

    return work


def minilm_steps(captured: bool) -> Work:
    """The methods of the cost table on short texts of the small encoder, where launches take most of the time."""

    def work(place: Place, say: Say) -> dict[str, Any]:
        shape, updates = place.sizes.batches["short"], 5 * place.sizes.updates  # they take milliseconds
        return _timed(place, place.sizes.small_encoder, shape, measured_methods(), updates, "fp32", captured, say)

    return work


def _timed(
    place: Place,
    encoder: EncoderShape,
    batch: BatchShape,
    methods: Mapping[str, Defense],
    updates: int,
    precision: Precision,
    captured: bool,
    say: Say,
) -> dict[str, Any]:
    """The timings and their conditions as plain values; if captured, also the methods that cannot be."""
    model = random_bert(encoder).to(place.device)
    refused = _refused(methods, model, precision) if captured else {}
    timings = time_methods(
        model,
        {title: defense for title, defense in methods.items() if title not in refused},
        texts=batch.texts,
        tokens=batch.tokens,
        blocks=place.sizes.blocks,
        updates=updates,
        device=place.device,
        precision=precision,
        energy=board_energy(place.device),
        graphs=CudaGraphs if captured else lambda: None,
        say=say,
    )
    return {
        "encoder": asdict(encoder),
        "batch": asdict(batch),
        "precision": precision,
        "captured": captured,
        "refused": refused,
        "timings": [asdict(each) for each in timings],
    }


def _refused(methods: Mapping[str, Defense], model: nn.Module, precision: Precision) -> dict[str, str]:
    """The methods that cannot be captured, with the reason, found with a small batch.

    Raises:
        MachineError: if another method failed during capture.
    """
    found = {}
    batches = RandomBatches(random_batch(2, 16, model.config.vocab_size), UPDATES_PER_EPOCH)  # type: ignore[union-attr,arg-type]
    for title, defense in methods.items():
        try:
            fit(defense, copy.deepcopy(model), batches, most_updates=1, precision=precision, graphs=CudaGraphs())
        except UserError as refusal:
            if refusal.__cause__ is not None:  # it failed during recording; torch's generators do not recover from that
                raise MachineError(str(refusal)) from refusal
            found[title] = str(refusal)
    return found


def loops(place: Place, say: Say) -> dict[str, Any]:
    """Each method's update beside the plain one of its release, on the task's own texts."""
    options = replace(place.options(), recipes=None, batch_size=32 if place.size == "full" else 4)
    timings, caption = bench_loops(options, updates=5 * place.sizes.updates, shape=place.sizes.encoder, say=say)
    return {"timings": {task: [asdict(each) for each in found] for task, found in timings.items()}, "caption": caption}


def table1_run(number: int) -> Work:
    """The trainings of one seed, each in its own process, and the attacks on them."""

    def work(place: Place, say: Say) -> dict[str, Any]:
        study = resolve(place.options(), EXPERIMENTS["table1"], [FIRST_SEED + number])
        for line in (*study.store.quarantine(), *_set_weightless_aside(study)):
            say(line)
        working = LocalExecutor(study.context, attacks_each=attacks_beside_each_other())
        execute(study, Reporter(Console()), working)
        return {"seed": FIRST_SEED + number, "trainings": [job.key for job in study.trainings]}

    return work


def attacks_beside_each_other() -> int:
    """Number of parallel attacks on one GPU: one per CPU core, since a query takes more time in Python than on the GPU.

    Two cores are left free, for the GPU's driver and for the process that distributes the work.
    """
    return max(1, usable_cores() - 2)


def _set_weightless_aside(study: Study) -> list[str]:
    """Trainings whose attacks are not done and whose weights did not come along are done again."""
    said, store = [], study.store
    plan = look_up(store, study.jobs)
    for key in dict.fromkeys(job.training for job in plan.left if isinstance(job, AttackJob)):
        if key in plan.trained and not store.weights_path(key).is_file():
            with store.locked("trainings", key):
                said.append(store.set_aside("trainings", key, f"the weights of {key} are missing"))
    return said


def attacks(place: Place, say: Say) -> dict[str, Any]:
    """Queries per second of the attack engine on a fine-tuned model, and of TextAttack's loop if it is installed.

    The model is trained for this part only: those of Table 1 may be on another machine.
    """
    has_textattack = find_spec("textattack") is not None
    ways = WAYS[2:] if has_textattack else WAYS[-1:]
    with tempfile.TemporaryDirectory() as folder:
        options = replace(place.options(), attacked=place.sizes.throughput_texts, out=Path(folder))
        found = bench_attacks(options, ways=ways, say=say)
    return {
        "textattack": "measured" if has_textattack else "not measured: TextAttack is not installed on this machine",
        "timings": {find_task(each.task).title: [asdict(timing) for timing in each.timings] for each in found},
    }


def profiles(place: Place, say: Say) -> dict[str, Any]:
    """Where the time of an update goes, for the updates in the targets."""
    size = place.sizes
    filling, short = size.batches["filling"], size.batches["short"]
    wanted: list[tuple[str, EncoderShape, BatchShape, Defense, bool, bool]] = [
        ("Fine-tune", size.encoder, filling, FineTune(), False, False),
        ("Fine-tune of a pruned model", size.encoder, filling, FineTune(), True, False),
        ("FreeLB-5", size.encoder, filling, FreeLB().changed(steps=5), False, False),
        ("PGD-3", size.encoder, short, PGD().changed(steps=3), False, False),
        ("Fine-tune, MiniLM's shape", size.small_encoder, short, FineTune(), False, False),
        ("Fine-tune, MiniLM's shape, captured", size.small_encoder, short, FineTune(), False, True),
    ]
    found: list[StepProfile] = []
    for what, encoder, shape, defense, is_pruned, captured in wanted:
        if captured and place.device != "cuda":
            continue
        model = random_bert(encoder).to(place.device)
        if is_pruned:
            pruned_(model)
        batch = random_batch(shape.texts, shape.tokens, model.config.vocab_size)
        words = f"{what}, {shape.texts} texts of {shape.tokens} tokens, fp32"
        graphs = CudaGraphs() if captured else None
        found.append(
            profile_updates(words, defense, model, batch, updates=size.updates, device=place.device, graphs=graphs)
        )
        say(f"{words}: {100 * found[-1].busy_share:.0f} % busy, {found[-1].launches:.0f} launches an update")
    return {"profiles": [asdict(each) for each in found]}


def gpu_tests(place: Place, say: Say) -> dict[str, Any]:
    """The tests that need a GPU: passed, failed and skipped, by name.

    Raises:
        MachineError: if the code has no tests beside it.
    """
    # Only these files: others import packages that such a machine may lack.
    marked = [str(path) for path in sorted((ROOT / "tests").rglob("test_*.py")) if MARK in path.read_text("utf-8")]
    if not marked:
        raise MachineError(f"there are no tests in {ROOT}; run the command in a copy of the repository")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-m",
            "gpu",
            "-p",
            "no:cacheprovider",
            f"--junitxml={report}",
            *marked,
        ]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if not report.exists():
            raise MachineError(f"pytest ended with {done.returncode}: {(done.stdout + done.stderr)[-500:]}")
        found = outcomes_of(ElementTree.parse(report).getroot())
    say(", ".join(f"{len(names)} {state}" for state, names in found.items()))
    return {"outcomes": found}


def outcomes_of(report: ElementTree.Element) -> dict[str, list[str]]:
    """Names of tests by result, from pytest's JUnit report; failures with the first line of the reason."""
    found: dict[str, list[str]] = {"passed": [], "failed": [], "skipped": []}
    for case in report.iter("testcase"):
        name = f"{case.get('classname', '')}::{case.get('name', '')}"
        trouble = next((case.find(kind) for kind in ("failure", "error") if case.find(kind) is not None), None)
        if trouble is not None:
            found["failed"].append(
                f"{name}: {trouble.get('message', '').splitlines()[0] if trouble.get('message') else ''}"
            )
        else:
            found["skipped" if case.find("skipped") is not None else "passed"].append(name)
    return found


def board_energy(device: str) -> Callable[[], float | None]:
    """A function that returns the joules the board has used so far, or None if they are not reported."""
    if device != "cuda":
        return lambda: None
    torch.cuda.init()
    try:
        board = cuda_device()()
    except RuntimeError:
        return lambda: None

    def joules() -> float | None:
        try:
            count = board.sample().energy_millijoules
        except Exception:  # any exception of a driver means that energy is not reported
            return None
        return None if count is None else count / 1000

    return joules
