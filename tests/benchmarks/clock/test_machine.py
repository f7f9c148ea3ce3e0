"""The machine's description, with and without a driver."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import pytest

from benchmarks.clock import machine


def fake_nvml(**functions):
    class NVMLError(Exception):
        pass

    base = {
        "NVMLError": NVMLError,
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: None,
        "nvmlDeviceGetCount": lambda: 2,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetName": lambda handle: [b"NVIDIA A", "NVIDIA B"][handle],
        "nvmlDeviceGetMigMode": lambda handle: [handle, handle],
    }
    module = SimpleNamespace(**(base | functions))
    module.failing = lambda *_: (_ for _ in ()).throw(NVMLError("driver not loaded"))
    return module


def test_the_description_is_plain_json() -> None:
    description = machine.machine_description()
    assert json.loads(json.dumps(description)) == description
    assert description["cores"] >= 1 and description["memory_gib"] > 0 and description["processor"]


def test_gpus_are_named_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml())
    assert machine.machine_description()["gpus"] == ["NVIDIA A", "NVIDIA B (MIG)"]


def test_a_gpu_that_has_no_instances_has_its_plain_name(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = fake_nvml()
    nvml.nvmlDeviceGetMigMode = nvml.failing
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    assert machine.machine_description()["gpus"] == ["NVIDIA A", "NVIDIA B"]


def test_a_driver_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    for broken in ("nvmlInit", "nvmlDeviceGetCount"):
        nvml = fake_nvml()
        setattr(nvml, broken, nvml.failing)
        monkeypatch.setitem(sys.modules, "pynvml", nvml)
        assert machine.machine_description()["gpus"] == "not available: driver not loaded"


def test_versions_and_code_state() -> None:
    assert machine.versions()["torch"].startswith("2.")
    assert machine.git_state()["commit"]


def test_code_outside_a_checkout_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_git", lambda *a: (_ for _ in ()).throw(OSError()))
    assert machine.git_state() == {"commit": "not a git checkout"}


def test_a_processs_peak_covers_what_it_holds() -> None:
    before = machine.peak_memory_bytes("cpu")
    held = bytearray(64 * 2**20)
    held[:: 2**12] = b"x" * len(held[:: 2**12])  # touched, so that it is resident
    peak = machine.peak_memory_bytes("cpu")
    assert before is not None and peak is not None and peak >= before and peak > len(held)
