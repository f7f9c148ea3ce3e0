"""What is written keeps the contract as it is, is about forty lines, and lies over nothing; bad names are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.contract import verdicts
from benchmarks.contract.scaffold import new_defense
from benchmarks.experiments.defenses import find_defense


def test_the_files_keep_the_contract_as_they_are(tmp_path: Path) -> None:
    paths = new_defense("gentle_push", tmp_path / "mine")
    assert [path.name for path in paths] == ["gentle_push.py", "test_gentle_push.py", "gentle_push.md"]
    kind = find_defense(str(paths[0]))
    assert (kind.key, kind.__name__, kind.title) == ("gentle_push", "GentlePush", "Gentle push")
    assert [verdict for verdict in verdicts(kind) if verdict.fault] == []
    assert not any("$" in path.read_text() for path in paths)
    code = [line for line in paths[0].read_text().splitlines() if line.strip()]
    assert 35 <= len(code) <= 50


def test_its_test_holds_it_to_its_own_identity(tmp_path: Path) -> None:
    _, test, _ = new_defense("soft_push", tmp_path)
    namespace: dict = {"__file__": str(test)}
    exec(compile(test.read_text(), test, "exec"), namespace)
    namespace["test_without_reach_it_is_fine_tuning"]()
    text = (tmp_path / "soft_push.py").read_text()
    (tmp_path / "soft_push.py").write_text(text.replace("batch.labels) / 2\n", "batch.labels)\n"))
    exec(compile(test.read_text(), test, "exec"), namespace)
    with pytest.raises(AssertionError):
        namespace["test_without_reach_it_is_fine_tuning"]()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("GentlePush", "NAME must be snake case, such as my_defense, got 'GentlePush'"),
        ("../push", "snake case"),
        ("lambda", "not a Python keyword"),
        ("freelb", "a name that no defense has"),
        ("torch", "a name that no installed module has"),
    ],
)
def test_bad_names_are_refused_and_nothing_is_written(tmp_path: Path, name: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        new_defense(name, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("there", ["push.py", "test_push.py", "push.md"])
def test_nothing_is_overwritten(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("mine")
    with pytest.raises(ValueError, match="exists already and is not overwritten"):
        new_defense("push", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [there] and (tmp_path / there).read_text() == "mine"


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RuntimeError, match="cannot be written"):
        new_defense("push", tmp_path / "file")
