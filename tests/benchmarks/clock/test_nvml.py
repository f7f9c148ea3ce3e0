"""A GPU under watch: what makes a run invalid, what is a warning, and a helper that harms nothing."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import fake_nvml
import pytest
import torch
from fake_nvml import FakeDevice
from small_set import SmallSet

from baselines.fine_tune import FineTune
from baselines.training import fit
from benchmarks.clock.nvml import NvmlDevice, Sample, Watch, assess, flags_before, idle_complaint, watching

OWN = 77


def samples(*entries: dict, count: int = 200) -> list[Sample]:
    """`count` looks at a device that gives the entries first and the last for ever."""
    device = FakeDevice(list(entries))
    return [device.sample() for _ in range(count)]


def judged(*entries: dict, own_bytes: int = 1 << 30, **options) -> Watch:
    return assess(samples(*entries, **options), own_process=OWN, own_bytes=own_bytes)


def test_a_healthy_run_has_no_flag_and_its_energy() -> None:
    watch = judged({})
    assert (watch.invalid, watch.warnings, watch.samples) == ((), (), 200)
    assert watch.joules == 199 and watch.sm_mhz == 1980 and watch.watts == 300 and watch.celsius == 50


@pytest.mark.parametrize(
    ("bit", "name"),
    [
        (0x8, "hardware slowdown"),
        (0x20, "software thermal slowdown"),
        (0x40, "hardware thermal slowdown"),
        (0x80, "hardware power brake"),
    ],
)
def test_throttling_beyond_one_percent_is_invalid(bit: int, name: str) -> None:
    assert judged({"reasons": bit}, {"reasons": bit}, {}).invalid == ()  # 2 of 200
    assert judged(*[{"reasons": bit}] * 6, {}).invalid == (f"{name} in 3 % of samples",)


def test_a_power_cap_is_a_warning_with_its_share() -> None:
    watch = judged(*[{"reasons": 0x4}] * 50, {})
    assert watch.invalid == () and watch.warnings == ("software power cap in 25 % of samples",)


def test_another_process_is_contention() -> None:
    assert judged({"processes": (OWN,)}).invalid == ()
    assert judged({"processes": (OWN,)}, {"processes": (OWN, 99)}).invalid == ("another process on the GPU: 99",)
    assert judged({"processes": (98, 99)}).invalid == ("another process on the GPU: 98, 99",)


def test_in_a_container_the_own_process_has_another_number() -> None:
    assert judged({"processes": (4711,)}).invalid == ()


def test_where_processes_are_hidden_memory_tells() -> None:
    assert judged({"used_bytes": 2 << 30}).invalid == ()
    assert judged({"used_bytes": 9 << 30}).invalid == ("8.0 GiB of device memory are held by others",)


def test_energy_that_is_missing_or_runs_backwards_is_not_reported() -> None:
    assert judged({"energy_millijoules": None}).joules is None
    watch = judged({"energy_millijoules": 5000}, {"energy_millijoules": 10})
    assert watch.joules is None and watch.warnings == ("the energy counter ran backwards",)


def test_memory_errors_are_invalid() -> None:
    assert judged({"ecc_errors": 2}).invalid == ()
    assert judged({"ecc_errors": 2}, {"ecc_errors": 3}).invalid == ("1 uncorrected memory errors",)


def test_no_sample_is_no_valid_run() -> None:
    assert assess([], own_process=OWN, own_bytes=0).invalid == ("the GPU was not watched",)


def watched(open_device) -> Watch:
    """A second's work under watch."""
    with watching(open_device, lambda: 1 << 30) as watcher:
        time.sleep(3.5)  # the helper starts in a second or two and looks five times a second
    return watcher.result


def test_the_helper_samples_a_healthy_device() -> None:
    watch = watched(fake_nvml.healthy)
    assert watch.available == "yes" and watch.invalid == () and watch.samples >= 2


def test_the_helper_reports_throttling() -> None:
    assert "hardware thermal slowdown" in watched(fake_nvml.throttled).invalid[0]


def test_a_driver_that_raises_is_a_finding() -> None:
    watch = watched(fake_nvml.breaking)
    assert "OSError: GPU is lost" in watch.invalid[0] and watch.joules is None


def test_a_machine_without_a_driver_says_so() -> None:
    assert watched(fake_nvml.absent).available == "no: NVML is not available: driver not loaded"


def test_a_helper_that_dies_leaves_the_run_alone_and_a_flag() -> None:
    watch = watched(fake_nvml.suicidal)
    assert watch.samples == 2 and watch.invalid == ("the watching process ended early, after 2 samples",)


@pytest.mark.parametrize(
    ("blow", "complaints"), [(signal.SIGINT, 0), (signal.SIGTERM, 1), (signal.SIGKILL, 1)], ids=lambda value: str(value)
)
def test_a_blow_to_the_helper_changes_nothing_in_a_run(bert, batch, tmp_path: Path, blow: int, complaints: int) -> None:
    """The same weights as without a watch; a helper that is gone leaves a flag, one that was interrupted goes on."""

    def trained(after_update) -> dict[str, torch.Tensor]:
        model = bert()
        torch.manual_seed(1)
        fit(FineTune(epochs=1), model, SmallSet(batch, 3), on_update=after_update)
        return model.state_dict()

    def strike(stage, progress) -> None:
        (helper,) = multiprocessing.active_children()
        while not (tmp_path / "opened").exists():
            time.sleep(0.05)
        os.kill(helper.pid, blow)
        helper.join(0.5)

    expected = trained(None)
    with watching(partial(fake_nvml.marked, str(tmp_path / "opened")), lambda: 1 << 30) as watcher:
        found = trained(lambda stage, progress: progress.update == 1 and strike(stage, progress))
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert len(watcher.result.invalid) == complaints and watcher.result.available == "yes"


def test_an_interrupted_run_ends_its_helper() -> None:
    with pytest.raises(KeyboardInterrupt), watching(fake_nvml.healthy) as watcher:
        raise KeyboardInterrupt
    assert watcher.result.available in ("yes", "no: no sample was taken")


def test_without_a_gpu_nothing_is_started() -> None:
    with watching(None) as watcher:
        pass
    assert watcher.result == Watch("no: there is no CUDA device")


def test_idleness_is_told_before_a_run() -> None:
    assert idle_complaint(fake_nvml.healthy(), own_process=OWN) is None
    assert "other processes" in idle_complaint(FakeDevice([{"processes": (5,)}]), own_process=OWN)
    assert "40 % busy" in idle_complaint(FakeDevice([{"utilisation_percent": 40}]), own_process=OWN)


def test_a_gpu_that_is_not_idle_is_flagged_before_a_run() -> None:
    def lost() -> FakeDevice:
        return FakeDevice([OSError("GPU is lost")])

    assert flags_before(None, own_process=OWN) == flags_before(fake_nvml.healthy, own_process=OWN) == []
    held = flags_before(lambda: FakeDevice([{"used_bytes": 8 << 30}]), own_process=OWN)
    assert held == ["not idle: 8.0 GiB of device memory are held before the run"]
    assert flags_before(lost, own_process=OWN) == ["idleness not known: OSError: GPU is lost"]


def test_a_gpu_cut_into_instances_has_no_energy_of_its_own() -> None:
    watch = judged({"is_cut": True})
    assert watch.invalid == () and watch.joules is None and "MIG" in watch.warnings[0]
    assert judged({"is_cut": False}).joules is not None


class NotFound(Exception):
    """NVML knows no GPU of that name."""


def driver(mode: list[int], **names: str) -> SimpleNamespace:
    """A driver that knows those handles by name, reads the MIG mode and nothing else."""

    def by_name(name: str) -> str:
        if name not in names:
            raise NotFound(name)
        return names[name]

    return SimpleNamespace(
        NVMLError=NotFound,
        NVMLError_NotFound=NotFound,
        NVMLError_NotSupported=NotFound,
        NVMLError_NoPermission=NotFound,
        NVMLError_FunctionNotFound=NotFound,
        NVML_CLOCK_SM=0,
        NVML_CLOCK_MEM=1,
        NVML_TEMPERATURE_GPU=0,
        NVML_MEMORY_ERROR_TYPE_UNCORRECTED=0,
        NVML_VOLATILE_ECC=0,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=by_name,
        nvmlDeviceGetDeviceHandleFromMigDeviceHandle=lambda instance: f"the GPU of {instance}",
        nvmlDeviceGetMigMode=lambda handle: mode,
    )


@pytest.mark.parametrize(
    ("names", "handle", "mode"),
    [({"GPU-one": "whole"}, "whole", [0, 0]), ({"MIG-one": "part"}, "the GPU of part", [1, 1])],
)
def test_an_instance_is_watched_through_its_gpu(monkeypatch, names: dict, handle: str, mode: list[int]) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", driver(mode, **names))
    device = NvmlDevice("one")
    assert device._handle == handle and device.sample().is_cut is bool(mode[0])


def test_a_name_that_no_gpu_has_is_not_available(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", driver([0, 0]))
    with pytest.raises(RuntimeError, match="NVML is not available: MIG-one"):
        NvmlDevice("one")


def test_this_machine_is_read_or_says_why_not() -> None:
    try:
        assert NvmlDevice().sample().at > 0
    except RuntimeError as error:
        assert "NVML is not available" in str(error)
