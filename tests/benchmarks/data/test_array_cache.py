"""Arrays in a file: read as written, made again where damaged, never left half."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from benchmarks.data.array_cache import cached_arrays

ARRAYS = {"ids": np.arange(6, dtype=np.int32).reshape(2, 3), "none": np.empty(0, np.int64)}


def test_arrays_are_read_as_they_were_written(tmp_path) -> None:
    path = tmp_path / "new" / "arrays.safetensors"
    assert cached_arrays(path, lambda: ARRAYS) is ARRAYS
    read = cached_arrays(path, lambda: pytest.fail("was made again"))
    assert read.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert np.array_equal(read[name], array) and read[name].dtype == array.dtype


@pytest.mark.parametrize("damage", ["flip", "cut", "garbage"])
def test_a_damaged_file_is_made_again_and_said_so(tmp_path, caplog, damage: str) -> None:
    path = tmp_path / "arrays.safetensors"
    cached_arrays(path, lambda: ARRAYS)
    raw = bytearray(path.read_bytes())
    if damage == "flip":
        raw[-4] ^= 1
    path.write_bytes({"flip": bytes(raw), "cut": bytes(raw[:50]), "garbage": b"not a cache"}[damage])
    with caplog.at_level(logging.WARNING):
        assert cached_arrays(path, lambda: ARRAYS) is ARRAYS
    assert "corrupted" in caplog.text
    cached_arrays(path, lambda: pytest.fail("was made again"))


def test_what_fails_to_be_made_leaves_no_file(tmp_path) -> None:
    def fail():
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        cached_arrays(tmp_path / "arrays.safetensors", fail)
    assert not list(tmp_path.iterdir())
