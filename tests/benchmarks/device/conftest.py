"""A place of the tiny size."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.device.place import Place


@pytest.fixture
def place(tmp_path: Path, tiny_backbone: Path) -> Place:
    """The tiny size on generated texts."""
    return Place("cpu", "tiny", tmp_path / "out", None, str(tiny_backbone))
