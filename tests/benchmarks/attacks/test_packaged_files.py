"""A packaged file is read only as it was packaged."""

from __future__ import annotations

import pytest

from baselines.validation import MachineError
from benchmarks.attacks.packaged_files import packaged
from benchmarks.attacks.packed_synonyms import PACKAGED, PACKAGED_SHA256


def test_a_file_of_another_hash_is_refused_and_named() -> None:
    assert packaged(PACKAGED, PACKAGED_SHA256)
    expected = rf"the packaged file {PACKAGED} has the SHA-256 {PACKAGED_SHA256}, expected"
    with pytest.raises(MachineError, match=expected):
        packaged(PACKAGED, "0" * 64)
