"""A run small enough to be broken many times: a two-layer random BERT, generated texts; and a disk that fills."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.experiments.options import Options

SMALL_DISK_BYTES = 1 << 20


@pytest.fixture
def options(options) -> Options:
    """The suite's, with 4 texts attacked under one recipe, which one process attacks."""
    return replace(options, attacked=4, recipes="textbugger")


FullDisk = tuple[Path, Callable[[], AbstractContextManager[None]]]


@pytest.fixture(params=["file system", "file size", "read-only file system"])
def full_disk(request, tmp_path) -> Iterator[FullDisk]:
    """A folder, and a context in which nothing larger than a few bytes can be written there.

    Either a small file system in memory, filled up or made read-only, or, which needs no rights, a bound on the size of
    a file.
    """
    folder = tmp_path / "disk"
    folder.mkdir()
    if request.param == "file size":
        yield folder, _bounded
        return
    mount = shutil.which("mount")
    if (
        mount is None
        or subprocess.run(
            [mount, "-t", "tmpfs", "-o", f"size={SMALL_DISK_BYTES}", "tmpfs", folder], capture_output=True
        ).returncode
    ):
        pytest.skip("no file system can be mounted here")
    try:
        yield folder, lambda: _filled(folder) if request.param == "file system" else _read_only(folder, mount)
    finally:
        subprocess.run(["umount", folder], check=True)


@contextmanager
def _bounded() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


@contextmanager
def _read_only(folder: Path, mount: str) -> Iterator[None]:
    subprocess.run([mount, "-o", "remount,ro", folder], check=True)
    try:
        yield
    finally:
        subprocess.run([mount, "-o", "remount,rw", folder], check=True)


@contextmanager
def _filled(folder: Path) -> Iterator[None]:
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                os.write(file.fileno(), bytes(4096))
        except OSError:
            pass
    try:
        yield
    finally:
        filler.unlink()
