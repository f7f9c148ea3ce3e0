"""The verb: 0 where all is as stored, 1 for a difference, 2 for a mistake; references change when asked only."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path

import pytest
from command import command

from benchmarks.experiments.defenses import known_defenses
from benchmarks.regression import check
from benchmarks.regression.references import FOLDER, read_reference
from benchmarks.regression.subset import Observation, defense_on_subset

SEEN = Observation(
    settings={"steps": 3},
    counters={"stage train": {"updates": 4}},
    examples={
        "test-0": {"read_as": 1},
        "test-1": {"read_as": 0},
        "test-0 under TextFooler": {"status": "failed", "queries": 12, "text": "a"},
    },
    seconds={"train": 0.5},
)


regress = partial(command, "regress")


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch):
    """What the next trainings do; a test may change it."""
    results = {"now": SEEN}
    monkeypatch.setattr(check, "observe", lambda defense, nudge=None: results["now"])
    return results


def test_references_are_made_kept_and_compared(seen, tmp_path: Path, capsys) -> None:
    folder = ("--references", str(tmp_path))
    assert regress(*folder, "--defenses", "fine_tune,pgd", "--update", capsys=capsys)[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fine_tune.json", "pgd.json"]
    code, output, _ = regress(*folder, capsys=capsys)
    assert code == 0 and "pgd: 3 outcomes and 1 groups of counters as stored" in output
    changed = SEEN.examples | {"test-0 under TextFooler": {"status": "failed", "queries": 13, "text": "a"}}
    seen["now"] = dataclasses.replace(SEEN, examples=changed)
    code, output, _ = regress(*folder, "--defenses", "pgd", capsys=capsys)
    assert code == 1 and "pgd: test-0 under TextFooler: queries was 12, is 13" in output.splitlines()
    code, output, _ = regress(*folder, "--defenses", "pgd", "--update", capsys=capsys)
    assert code == 0 and "queries was 12, is 13" in output
    assert regress(*folder, "--defenses", "pgd", capsys=capsys)[0] == 0
    assert read_reference(tmp_path / "fine_tune.json").examples == SEEN.examples


def test_a_defense_from_a_file_has_its_reference(seen, tmp_path: Path, capsys) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "from dataclasses import dataclass\nfrom baselines.fine_tune import FineTune\n\n"
        "@dataclass(frozen=True, kw_only=True)\nclass Mine(FineTune, key='mine'):\n    title = 'Mine'\n"
    )
    arguments = ("--defenses", str(plugin), "--references", str(tmp_path / "golden"))
    assert regress(*arguments, "--update", capsys=capsys)[0] == 0
    assert (tmp_path / "golden" / "mine.json").is_file()
    assert regress(*arguments, capsys=capsys)[0] == 0


def test_mistakes_end_with_one_sentence_and_code_2(seen, tmp_path: Path, capsys) -> None:
    for arguments, sentence in (
        (("--references", str(tmp_path)), "holds no references; make some with --defenses NAMES --update"),
        (("--references", str(tmp_path), "--defenses", "pgd"), "no reference for 'pgd'"),
        (("--defenses", "fine_tun"), "did you mean 'fine_tune'"),
    ):
        code, _, errors = regress(*arguments, capsys=capsys)
        assert (code, errors.count("\n")) == (2, 1) and sentence in errors


def test_the_suites_own_references_can_be_read_and_are_of_todays_settings() -> None:
    stored = sorted(FOLDER.glob("*.json"))
    assert {path.stem for path in stored} >= {"fine_tune", "early_robust"} and len(stored) <= len(known_defenses())
    for path in stored:
        settings = read_reference(path).settings
        for name, value in defense_on_subset(path.stem).settings().items():
            assert settings[name] == value, f"{path.name}: {name}; make it again with 'earlyrobust regress --update'"


@pytest.mark.slow
def test_the_suites_own_references_still_hold() -> None:
    for found in check.check(None, None, print):
        assert found.differences == []
