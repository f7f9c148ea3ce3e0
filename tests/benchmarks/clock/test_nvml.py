"""A GPU under watch: what makes a run invalid, what is a warning, and a helper that harms nothing."""

from __future__ import annotations

import time

import fake_nvml
import pytest
from fake_nvml import FakeDevice

from benchmarks.clock.nvml import NvmlDevice, Sample, Watch, assess, idle_complaint, watching

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


def test_this_machine_is_read_or_says_why_not() -> None:
    try:
        assert NvmlDevice().sample().at > 0
    except RuntimeError as error:
        assert "NVML is not available" in str(error)
