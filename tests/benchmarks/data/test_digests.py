"""Hashes of files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from benchmarks.data.digests import sha256_of


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1])
def test_a_file_read_in_pieces_has_the_hash_of_the_whole(tmp_path: Path, size: int) -> None:
    (tmp_path / "file").write_bytes(b"x" * size)
    assert sha256_of(tmp_path / "file") == hashlib.sha256(b"x" * size).hexdigest()
