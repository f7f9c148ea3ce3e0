"""Check one by one what a run needs on this machine, before it starts."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil
import torch

from baselines.validation import MachineError, UserError
from benchmarks.attacks.textattack_import import import_textattack
from benchmarks.clock.machine import PACKAGES, usable_cores, versions
from benchmarks.clock.nvml import cuda_device, idle_complaint
from benchmarks.results.store import Store
from benchmarks.victims.backbones import find_backbone

State = Literal["ok", "warning", "failed"]

LEAST_PYTHON = (3, 10)
LEAST_FREE_BYTES = 5 * 2**30
LEAST_MEMORY_BYTES = 4 * 2**30


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        what: what was checked.
        state: "ok", "warning" (a run works, with less) or "failed" (it does not).
        detail: what was found and, if it is not ok, what to do.
    """

    what: str
    state: State
    detail: str


def examine(out: Path) -> list[Finding]:
    """Check Python, packages, backbone, GPU, its driver, memory and the results folder, which is made if missing."""
    looks: dict[str, Callable[[], Finding]] = {
        "Python": _python,
        "packages": _packages,
        "backbone": _backbone,
        "TextAttack": _textattack,
        "GPU": _gpu,
        "GPU's driver": _driver,
        "cores and memory": _memory,
        "results folder": lambda: _folder(out),
    }
    return [_look(what, look) for what, look in looks.items()]


def _look(what: str, look: Callable[[], Finding]) -> Finding:
    """Run a check; its error is a finding too."""
    try:
        return look()
    except (UserError, MachineError) as complaint:
        return Finding(what, "failed", str(complaint))


def _python() -> Finding:
    is_new = sys.version_info >= LEAST_PYTHON
    wanted = ".".join(map(str, LEAST_PYTHON))
    return Finding("Python", "ok" if is_new else "failed", f"{platform.python_version()}; {wanted} or newer is needed")


def _packages() -> Finding:
    found = versions()
    missing = [name for name in PACKAGES if found[name] == "not installed"]
    listed = ", ".join(f"{name} {found[name]}" for name in PACKAGES if name not in missing)
    if missing:
        return Finding("packages", "failed", f"missing: {', '.join(missing)}; pip install -c constraints.txt -e .")
    return Finding("packages", "ok", listed)


def _backbone() -> Finding:
    backbone = find_backbone("minilm", offline=True)
    return Finding("backbone", "ok", f"{backbone.name}, weights {str(backbone.identity()['weights_sha256'])[:12]}...")


def _textattack() -> Finding:
    import_textattack()
    return Finding("TextAttack", "ok", "imports without a network; only --engine textattack and benchmarks need it")


def _gpu() -> Finding:
    if torch.cuda.is_available():
        return Finding("GPU", "ok", torch.cuda.get_device_name())
    return Finding("GPU", "warning", "no CUDA device: runs use the CPU and its clock, and the demo is what fits")


def _driver() -> Finding:
    if not torch.cuda.is_available():
        return Finding("GPU's driver", "warning", "not looked at: no CUDA device")
    try:
        complaint = idle_complaint(cuda_device()(), own_process=os.getpid())
    except MachineError:
        raise
    except Exception as error:  # any exception of a driver is a finding, not a crash
        raise MachineError(f"NVML answers {type(error).__name__}: {error}") from error
    if complaint:
        return Finding("GPU's driver", "warning", f"{complaint}; times taken now would not count")
    return Finding("GPU's driver", "ok", "NVML answers and the GPU is idle")


def _memory() -> Finding:
    memory = psutil.virtual_memory()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    detail = f"{usable_cores()} cores, {memory.available / 2**30:.1f} GiB free, load {load:.1f}"
    if memory.available < LEAST_MEMORY_BYTES:
        return Finding("cores and memory", "warning", f"{detail}; less than {LEAST_MEMORY_BYTES / 2**30:.0f} GiB")
    if load > 0.5 * usable_cores():
        return Finding("cores and memory", "warning", f"{detail}; other work would slow timed runs")
    return Finding("cores and memory", "ok", detail)


def _folder(out: Path) -> Finding:
    Store(out)
    free = shutil.disk_usage(out).free
    detail = f"{out} can be written, {free / 2**30:.0f} GiB free"
    return Finding("results folder", "ok" if free >= LEAST_FREE_BYTES else "warning", detail)
