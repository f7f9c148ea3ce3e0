"""The state of the GPU during training, from NVML: clocks, power, throttling, other processes, energy.

A helper process takes the samples, so that they cost the training process no time and a broken driver cannot stop it.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from baselines.validation import MachineError

SAMPLES_PER_SECOND = 5
TOLERATED_SHARE = 0.01
FOREIGN_BYTES = 3 << 29
IDLE_UTILISATION_PERCENT = 5
JOIN_SECONDS = 5

# NVML's bits for reasons why a clock is below its maximum, and those that make a run invalid.
REASONS = {
    0x4: "software power cap",
    0x8: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "hardware power brake",
}
INVALIDATING = (0x8, 0x20, 0x40, 0x80)
POWER_CAP = 0x4


@dataclass(frozen=True)
class Sample:
    """One reading of a GPU; None for each value that it does not report.

    Attributes:
        at: seconds on the monotonic clock.
        sm_mhz, memory_mhz, watts, celsius: as reported.
        reasons: the bits of `REASONS` that are set.
        processes: ids of compute processes; empty in many containers.
        used_bytes: device memory used by all processes.
        energy_millijoules: the board's energy counter.
        ecc_errors: uncorrected memory errors since the driver was loaded.
        utilisation_percent: share of the last sampling interval in which a kernel ran.
        is_cut: whether the GPU is cut into instances (MIG), which share its power, clocks and counters.
        error: the driver's exception, if the reading failed.
    """

    at: float
    sm_mhz: int | None = None
    memory_mhz: int | None = None
    watts: float | None = None
    celsius: int | None = None
    reasons: int | None = None
    processes: tuple[int, ...] = ()
    used_bytes: int | None = None
    energy_millijoules: int | None = None
    ecc_errors: int | None = None
    utilisation_percent: int | None = None
    is_cut: bool | None = None
    error: str | None = None


class Device(Protocol):
    """A GPU that can be sampled."""

    def sample(self) -> Sample:
        """The current state; raises the driver's exceptions."""
        ...


class NvmlDevice:
    """A GPU read through NVML.

    Args:
        uuid: the id of the GPU or of its instance, as torch gives it; None for the first GPU. CUDA numbers devices in
            a different order.
    Raises:
        MachineError: if the driver or the package is missing.
    """

    def __init__(self, uuid: str | None = None) -> None:
        try:
            import pynvml
        except ImportError as error:
            raise MachineError(f"NVML is not available: {error}; pip install nvidia-ml-py") from error
        self._nvml = pynvml
        try:
            pynvml.nvmlInit()
            self._handle = pynvml.nvmlDeviceGetHandleByIndex(0) if uuid is None else self._named(uuid)
        except pynvml.NVMLError as error:
            raise MachineError(f"NVML is not available: {error}") from error

    def _named(self, uuid: str) -> Any:
        """The GPU with this id, or the GPU of the instance with this id: an instance has no clocks and power itself."""
        nvml = self._nvml
        try:
            return nvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
        except nvml.NVMLError_NotFound:
            return nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(nvml.nvmlDeviceGetHandleByUUID(f"MIG-{uuid}"))

    def sample(self) -> Sample:
        """The current state."""
        nvml = self._nvml
        instances = self._read("nvmlDeviceGetMigMode")
        memory = self._read("nvmlDeviceGetMemoryInfo")
        utilisation = self._read("nvmlDeviceGetUtilizationRates")
        milliwatts = self._read("nvmlDeviceGetPowerUsage")
        processes = self._read("nvmlDeviceGetComputeRunningProcesses") or []
        return Sample(
            at=time.monotonic(),
            sm_mhz=self._read("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_SM),
            memory_mhz=self._read("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_MEM),
            watts=None if milliwatts is None else milliwatts / 1000,
            celsius=self._read("nvmlDeviceGetTemperature", nvml.NVML_TEMPERATURE_GPU),
            reasons=self._reasons(),
            processes=tuple(process.pid for process in processes),
            used_bytes=None if memory is None else memory.used,
            energy_millijoules=self._read("nvmlDeviceGetTotalEnergyConsumption"),
            ecc_errors=self._read(
                "nvmlDeviceGetTotalEccErrors", nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, nvml.NVML_VOLATILE_ECC
            ),
            utilisation_percent=None if utilisation is None else utilisation.gpu,
            is_cut=None if instances is None else bool(instances[0]),
        )

    def _reasons(self) -> int | None:
        """The bits under NVML's current name for them, otherwise under its older one."""
        for name in ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"):
            found = self._read(name)
            if found is not None:
                return found
        return None

    def _read(self, name: str, *arguments: Any) -> Any:
        """A reading, or None if the device does not support it; raises if the device or the driver is lost."""
        function = getattr(self._nvml, name, None)
        if function is None:
            return None
        try:
            return function(self._handle, *arguments)
        except (self._nvml.NVMLError_NotSupported, self._nvml.NVMLError_NoPermission):
            return None
        except self._nvml.NVMLError_FunctionNotFound:
            return None


@dataclass(frozen=True)
class Watch:
    """The result of watching a run.

    Attributes:
        available: "yes", or the reason why nothing was sampled.
        samples: number of samples.
        invalid: reasons, fixed in the rule book beforehand, for which the run's time does not count.
        warnings: other things that a reader should know.
        joules: board energy as reported over the run, or None.
        sm_mhz, watts, celsius: medians, or None.
    """

    available: str
    samples: int = 0
    invalid: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    joules: float | None = None
    sm_mhz: float | None = None
    watts: float | None = None
    celsius: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values for a record."""
        return asdict(self)


def assess(samples: Sequence[Sample], *, own_process: int, own_bytes: int) -> Watch:
    """Assess a run by its samples.

    Args:
        own_process: the id of the training process.
        own_bytes: peak device memory of the training process.
    Source: the thresholds are the rule book's, section "Flags".
    """
    if not samples:
        return Watch("no: no sample was taken", invalid=("the GPU was not watched",))
    good = [sample for sample in samples if sample.error is None]
    invalid, warnings = _throttling(good)
    invalid += _contention(good, own_process, own_bytes)
    errors = [sample.error for sample in samples if sample.error is not None]
    if errors:
        invalid.append(f"the driver failed in {len(errors)} of {len(samples)} samples: {errors[0]}")
    joules, complaint = _energy(good)
    if any(sample.is_cut for sample in good):
        joules, complaint = None, "the GPU is cut into instances (MIG): its energy and power are those of all of them"
    if complaint:
        warnings.append(complaint)
    ecc = [sample.ecc_errors for sample in good if sample.ecc_errors is not None]
    if ecc and ecc[-1] > ecc[0]:
        invalid.append(f"{ecc[-1] - ecc[0]} uncorrected memory errors")
    return Watch(
        available="yes",
        samples=len(samples),
        invalid=tuple(invalid),
        warnings=tuple(warnings),
        joules=joules,
        sm_mhz=_median(sample.sm_mhz for sample in good),
        watts=_median(sample.watts for sample in good),
        celsius=_median(sample.celsius for sample in good),
    )


def _throttling(samples: Sequence[Sample]) -> tuple[list[str], list[str]]:
    known = [sample.reasons for sample in samples if sample.reasons is not None]
    invalid = []
    for bit in INVALIDATING:
        share = sum(bool(reasons & bit) for reasons in known) / max(1, len(known))
        if share > TOLERATED_SHARE:
            invalid.append(f"{REASONS[bit]} in {100 * share:.0f} % of samples")
    share = sum(bool(reasons & POWER_CAP) for reasons in known) / max(1, len(known))
    return invalid, [f"{REASONS[POWER_CAP]} in {100 * share:.0f} % of samples"] if share else []


def _contention(samples: Sequence[Sample], own_process: int, own_bytes: int) -> list[str]:
    """Other processes by id; if the list of processes is hidden, the memory they use."""
    others = {process for sample in samples for process in sample.processes} - {own_process}
    listed = any(own_process in sample.processes for sample in samples)
    if others and (listed or len(others) > 1):
        return [f"another process on the GPU: {', '.join(map(str, sorted(others)))}"]
    used = [sample.used_bytes for sample in samples if sample.used_bytes is not None]
    foreign = min(used, default=0) - own_bytes
    if foreign > FOREIGN_BYTES:
        return [f"{foreign / 2**30:.1f} GiB of device memory are held by others"]
    return []


def _energy(samples: Sequence[Sample]) -> tuple[float | None, str | None]:
    counts = [sample.energy_millijoules for sample in samples if sample.energy_millijoules is not None]
    if len(counts) < 2:
        return None, "the board reports no energy"
    if any(later < earlier for earlier, later in pairwise(counts)):
        return None, "the energy counter ran backwards"
    return (counts[-1] - counts[0]) / 1000, None


def _median(values: Iterator[float | None]) -> float | None:
    known = sorted(value for value in values if value is not None)
    return float(known[len(known) // 2]) if known else None


def cuda_device() -> Callable[[], Device]:
    """A function that opens, in the helper, the GPU that torch uses here."""
    import torch

    uuid = getattr(torch.cuda.get_device_properties(torch.cuda.current_device()), "uuid", None)
    return partial(NvmlDevice, None if uuid is None else str(uuid))


def idle_complaint(device: Device, *, own_process: int) -> str | None:
    """The reason why the GPU is not idle, or None if it is; call it before this process uses memory there."""
    sample = device.sample()
    others = set(sample.processes) - {own_process}
    if others:
        return f"other processes are on the GPU: {', '.join(map(str, sorted(others)))}"
    if (sample.utilisation_percent or 0) > IDLE_UTILISATION_PERCENT:
        return f"the GPU is {sample.utilisation_percent} % busy before the run"
    if (sample.used_bytes or 0) > FOREIGN_BYTES:
        return f"{(sample.used_bytes or 0) / 2**30:.1f} GiB of device memory are held before the run"
    return None


def flags_before(open_device: Callable[[], Device] | None, *, own_process: int) -> list[str]:
    """The flag of a GPU that is not idle before a run; no flag without a GPU, or if it cannot be read.

    If the driver fails here, the watch of the run reports it.
    """
    if open_device is None:
        return []
    try:
        complaint = idle_complaint(open_device(), own_process=own_process)
    except Exception as error:  # any exception of a driver is a finding, not a crash
        return [f"idleness not known: {type(error).__name__}: {error}"]
    return [f"not idle: {complaint}"] if complaint else []


@dataclass
class Watcher:
    """A run being watched; `result` holds the assessment after the block."""

    result: Watch = field(default_factory=lambda: Watch("no: the run is not over"))


@contextmanager
def watching(open_device: Callable[[], Device] | None, own_bytes: Callable[[], int] = lambda: 0) -> Iterator[Watcher]:
    """Sample a GPU in a helper process while the block runs; the helper can neither stop nor disturb the block.

    Args:
        open_device: opens the device, in the helper; importable by name. None without a GPU.
        own_bytes: called at the end; returns the peak memory of the block.
    """
    watcher = Watcher()
    if open_device is None:
        watcher.result = Watch("no: there is no CUDA device")
        yield watcher
        return
    with tempfile.TemporaryDirectory(prefix="earlyrobust-nvml-") as folder:
        path = Path(folder) / "samples.jsonl"
        context = multiprocessing.get_context("spawn")
        # Not an event: setting one waits for the process that sleeps on it, forever if that process was killed.
        receiver, sender = context.Pipe(duplex=False)
        helper = context.Process(target=_sample_until, args=(open_device, path, receiver), daemon=True)
        helper.start()
        receiver.close()
        try:
            yield watcher
        finally:
            sender.close()
            helper.join(JOIN_SECONDS)
            ended_well = helper.exitcode == 0
            if helper.is_alive():
                helper.kill()
            watcher.result = _read(path, own_process=os.getpid(), own_bytes=own_bytes(), ended_well=ended_well)


def _sample_until(open_device: Callable[[], Device], path: Path, parent: Connection) -> None:
    """The helper process: write a line for each sample until its parent closes the connection or ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the training process handles an interrupt
    with path.open("w", encoding="utf-8") as file:
        try:
            device = open_device()
        except RuntimeError as error:
            file.write(json.dumps({"unavailable": str(error)}) + "\n")
            return
        while True:
            try:
                sample = device.sample()
            except Exception as error:  # any exception of a driver is a finding, not a crash
                sample = Sample(time.monotonic(), error=f"{type(error).__name__}: {error}")
            file.write(json.dumps(asdict(sample)) + "\n")
            file.flush()
            if parent.poll(1 / SAMPLES_PER_SECOND):
                return


def _read(path: Path, *, own_process: int, own_bytes: int, ended_well: bool) -> Watch:
    lines = path.read_text("utf-8").splitlines(keepends=True) if path.exists() else []
    entries = [json.loads(line) for line in lines if line.endswith("\n")]  # a killed helper leaves an incomplete line
    if entries and "unavailable" in entries[0]:
        return Watch(f"no: {entries[0]['unavailable']}")
    samples = [Sample(**(entry | {"processes": tuple(entry["processes"])})) for entry in entries]
    found = assess(samples, own_process=own_process, own_bytes=own_bytes)
    if ended_well:
        return found
    complaint = f"the watching process ended early, after {len(samples)} samples"
    return Watch(**(found.as_json() | {"invalid": (*found.invalid, complaint), "warnings": found.warnings}))
