"""Arrays made of texts, kept in files named by a hash of their inputs, with a checksum."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as read_tensors
from safetensors.numpy import save as tensor_bytes
from transformers import PreTrainedTokenizerBase

from benchmarks.data.examples import Example
from benchmarks.data.plain_files import read_bytes, write_atomically

log = logging.getLogger(__name__)

MOST_BYTES = 1 << 34

Arrays = dict[str, np.ndarray]


def cached_arrays(path: Path, make: Callable[[], Arrays]) -> Arrays:
    """Read the arrays in `path`; if the file is missing, make them and write it.

    If the checksum does not match, the arrays are made again and the log says so.

    Raises:
        MachineError: naming the path, if the disk is full or the folder cannot be written.
    """
    if os.path.lexists(path):
        try:
            return _read(path)
        except (SafetensorError, OSError, ValueError, KeyError) as error:
            log.warning("the token cache %s is corrupted (%s) and is made again", path.name, error)
    arrays = make()
    write_atomically(path, tensor_bytes(arrays | {"checksum": _checksum(arrays)}))
    return arrays


def texts_key(
    tokenizer: PreTrainedTokenizerBase, examples: Sequence[Example], max_length: int, about: Mapping[str, Any]
) -> str:
    """SHA-256 over the tokenizer, the texts with their labels, the truncation length, and what else decides arrays."""
    # The last call's truncation and padding stay set in a tokenizer; they must not change the hash.
    state = json.loads(tokenizer.backend_tokenizer.to_str()) | {"truncation": None, "padding": None}
    texts = [[example.texts, example.label] for example in examples]
    digest = hashlib.sha256(json.dumps(state).encode())
    digest.update(json.dumps([max_length, texts, *([about] if about else [])], sort_keys=True).encode())
    return digest.hexdigest()


def _checksum(arrays: Arrays) -> np.ndarray:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(name.encode() + np.ascontiguousarray(arrays[name]).tobytes())
    return np.frombuffer(digest.digest(), np.uint8)


def _read(path: Path) -> Arrays:
    arrays = dict(read_tensors(read_bytes(path, MOST_BYTES)))
    checksum = arrays.pop("checksum")
    if not np.array_equal(checksum, _checksum(arrays)):
        raise ValueError("its checksum does not fit")
    return arrays
