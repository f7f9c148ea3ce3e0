"""A file is run once under its hash; one that fails is named and leaves no module."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.data.code_files import run_code


def test_a_file_is_run_once_until_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("value = 1")
    first = run_code(path, "file", "mine")
    assert first.value == 1 and run_code(path, "file", "mine") is first
    path.write_text("value = 2")
    assert run_code(path, "file", "mine").value == 2


@pytest.mark.parametrize("code", ["def broken(:", "import no_such_module", "raise OSError('no')"])
def test_a_file_that_fails_is_named_and_forgotten(tmp_path: Path, code: str) -> None:
    path = tmp_path / "broken.py"
    path.write_text(code)
    with pytest.raises(ValueError, match=r"the thing '.*broken\.py' fails to import: "):
        run_code(path, "thing", "mine")
    assert not [name for name in sys.modules if name.startswith("mine_broken")]


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"the thing .* does not exist"):
        run_code(tmp_path / "absent.py", "thing", "mine")
