"""The machine and software of a run: processor, memory, GPUs, package versions, state of the code."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

PACKAGES = ("torch", "transformers", "textattack", "datasets", "numpy", "pandas", "tokenizers", "safetensors")


def machine_description() -> dict[str, Any]:
    """Processor, cores, memory and GPUs; if one cannot be read, the reason."""
    return {
        "processor": _processor(),
        "cores": usable_cores(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "gpus": _gpus(),
    }


def usable_cores() -> int:
    """Number of cores this process may use; a batch system or container may limit it."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"


def _gpus() -> list[str] | str:
    """Names of the GPUs the driver reports, or the reason why there are none."""
    try:
        import pynvml
    except ImportError as error:
        return f"not available: {error}"
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return f"not available: {error}"
    try:
        handles = map(pynvml.nvmlDeviceGetHandleByIndex, range(pynvml.nvmlDeviceGetCount()))
        return [_name(pynvml.nvmlDeviceGetName(handle)) + _instances(pynvml, handle) for handle in handles]
    except pynvml.NVMLError as error:
        return f"not available: {error}"
    finally:
        pynvml.nvmlShutdown()


def _instances(nvml: Any, handle: Any) -> str:
    """A note for a GPU that is cut into instances, of which a run uses one."""
    try:
        return " (MIG)" if nvml.nvmlDeviceGetMigMode(handle)[0] else ""
    except nvml.NVMLError:
        return ""


def _name(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name


def peak_memory_bytes(device: str) -> int | None:
    """Peak memory allocated on a CUDA device so far; on a CPU, the process's peak resident memory, if known."""
    if device == "cuda":
        import torch

        return torch.cuda.max_memory_allocated()
    try:
        import resource
    except ImportError:  # not a POSIX system
        return None
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that affect numbers."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def git_state() -> dict[str, str]:
    """The current commit and whether the code was changed since; or a note that this is no git checkout."""
    root = Path(__file__).resolve().parents[2]
    try:
        if Path(_git(root, "rev-parse", "--show-toplevel")).resolve() != root:
            return {"commit": "not a git checkout"}  # installed beside another project's files
        commit = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return {"commit": "not a git checkout"}
    return {"commit": commit + (" with changes" if changed else "")}


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True).stdout.strip()
