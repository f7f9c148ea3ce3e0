"""A file is run once under its hash; one that fails is named and leaves no module."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.data.code_files import error_of_user_code, run_code


def test_a_file_is_run_once_until_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("value = 1")
    first = run_code(path, "file", "mine")
    assert first.value == 1 and run_code(path, "file", "mine") is first
    path.write_text("value = 2")
    assert run_code(path, "file", "mine").value == 2


@pytest.mark.parametrize(
    "code",
    [
        "def broken(:",
        "import no_such_module",
        "raise OSError('no')",
        "raise SystemExit",
        "import os\nos._exit(0)",
        "import sys\nsys.exit(0)",
        "from os import _exit\n_exit(0)",
        "quit()",
        "raise GeneratorExit",
        "class Mine(BaseException): pass\nraise Mine",
    ],
)
def test_a_file_that_fails_is_named_and_forgotten(tmp_path: Path, code: str) -> None:
    path = tmp_path / "broken.py"
    path.write_text(code)
    with pytest.raises(ValueError, match=r"the thing '.*broken\.py' fails to import: "):
        run_code(path, "thing", "mine")
    assert not [name for name in sys.modules if name.startswith("mine_broken")]


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"the thing .* does not exist"):
        run_code(tmp_path / "absent.py", "thing", "mine")


def test_a_module_beside_a_file_can_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "words_beside_mine.py").write_text("GOOD = ['fine']")
    path = tmp_path / "mine.py"
    path.write_text("from words_beside_mine import GOOD")
    assert run_code(path, "file", "mine").GOOD == ["fine"]


@pytest.mark.parametrize("body", ["{}[text]", "sys.exit(0)", "os._exit(0)", "inner(text)", "raise OSError(2)"])
def test_an_exception_in_a_users_function_is_shown_with_the_lines_of_its_file_alone(tmp_path: Path, body: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(f"import os, sys, json\ndef inner(text): json.loads(text)\ndef outer(text):\n    {body}\n")
    outer = run_code(path, "file", "mine").outer
    with pytest.raises((Exception, SystemExit)) as caught:
        outer("no json")
    found = error_of_user_code(caught.value)
    assert found is not None and found.exit_code == 3
    assert f"mine.py, line 4: {body}" in str(found)
    assert "json/" not in str(found) and "test_code_files" not in str(found)


def test_an_exception_elsewhere_is_not_the_users() -> None:
    with pytest.raises(ValueError) as caught:
        int("x")
    assert error_of_user_code(caught.value) is None
