"""The options of the speed suite."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.integration
def test_an_unknown_shape_is_usage() -> None:
    command = [sys.executable, "-m", "pytest", "benchmarks/speed", "--shape", "huge", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 4 and "bert_base" in done.stderr
