"""Arrays kept in a file that is named by what decides them and checked when it is read."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as read_tensors
from safetensors.numpy import save as tensor_bytes

log = logging.getLogger(__name__)

Arrays = dict[str, np.ndarray]


def cached_arrays(path: Path, make: Callable[[], Arrays]) -> Arrays:
    """The arrays in `path`, made and written there where it is absent.

    A file whose checksum does not fit is made again, and the log says so.
    """
    if path.exists():
        try:
            return _read(path)
        except (SafetensorError, ValueError, KeyError) as error:
            log.warning("the token cache %s is corrupted (%s) and is made again", path.name, error)
    arrays = make()
    _write(path, arrays)
    return arrays


def _checksum(arrays: Arrays) -> np.ndarray:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(name.encode() + np.ascontiguousarray(arrays[name]).tobytes())
    return np.frombuffer(digest.digest(), np.uint8)


def _write(path: Path, arrays: Arrays) -> None:
    """Writes beside the place and renames, so that no reader ever sees half a file.

    Raises:
        RuntimeError: naming the path, where the disk is full or the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".tokens-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(tensor_bytes(arrays | {"checksum": _checksum(arrays)}))
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise RuntimeError(f"the token cache {path} cannot be written: {error.strerror or error}") from error


def _read(path: Path) -> Arrays:
    arrays = dict(read_tensors(path.read_bytes()))
    checksum = arrays.pop("checksum")
    if not np.array_equal(checksum, _checksum(arrays)):
        raise ValueError("its checksum does not fit")
    return arrays
