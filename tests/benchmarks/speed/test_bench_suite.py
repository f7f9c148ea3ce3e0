"""The suite covers every registered defense and offline recipe, and leaves exact counters in its JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from baselines.ascc import Ascc
from benchmarks.experiments.defenses import known_defenses
from benchmarks.speed.bench_suite import SIZES, steps_of_defenses

ROOT = Path(__file__).resolve().parents[3]
COUNTERS = {"n_forward", "n_backward_full", "n_backward_input", "flops", "parameters"}


def test_every_registered_defense_is_timed() -> None:
    assert {key for key, _ in steps_of_defenses()} == set(known_defenses())
    assert ("early_robust", "search") in steps_of_defenses()
    assert all(stage for _, stage in steps_of_defenses())


def test_tiny_is_smaller_than_bert_base() -> None:
    assert SIZES["bert_base"].shape.layers == 12 and SIZES["tiny"].shape.layers == 2


@pytest.mark.integration
def test_the_json_holds_times_and_exact_counters(tmp_path: Path) -> None:
    chosen = "fine_tune-train or ascc-train or forward_and_backward or bertattack_official"
    command = [sys.executable, "-m", "pytest", "benchmarks/speed", "-k", chosen, "-p", "no:cacheprovider"]
    # A worker of pytest-xdist would pass these on, and pytest-benchmark then times nothing.
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    environment = own | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, f"--benchmark-json={tmp_path / 'speed.json'}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = {each["name"]: each for each in json.loads((tmp_path / "speed.json").read_text())["benchmarks"]}
    assert all(each["stats"]["median"] > 0 for each in found.values())
    step = found["test_step[fine_tune-train]"]["extra_info"]
    dense = found["test_forward_and_backward[dense]"]["extra_info"]
    pruned = found["test_forward_and_backward[pruned]"]["extra_info"]
    assert set(step) >= COUNTERS and {name: step[name] for name in COUNTERS} == dense
    rich, declared = found["test_step[ascc-train]"]["extra_info"], Ascc().update_passes()
    assert (rich["n_forward"], rich["n_backward_full"]) == (declared.forward, declared.backward_full)
    assert pruned["flops"] < dense["flops"] and pruned["parameters"] < dense["parameters"]
    attack = found["test_attack[bertattack_official]"]["extra_info"]
    assert attack["texts"] == 8 and attack["queries"] > 8 * 6
