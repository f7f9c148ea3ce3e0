"""The house rules that a machine can check."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("baselines", "method", "benchmarks", "reports", "earlyrobust")
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def test_folders_import_only_to_their_left() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    if not command.exists():
        pytest.skip("import-linter is not installed beside this Python")
    result = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_source_file_has_a_test_at_the_mirrored_path() -> None:
    code = [path.relative_to(ROOT) for path in SOURCES if path.name not in ("__init__.py", "__main__.py")]
    mirrored = [Path("tests") / path.with_name(f"test_{path.name}") for path in code]
    assert [path for path in mirrored if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("module", ["baselines.training", "method.early_robust", "benchmarks.jobs.train"])
def test_the_training_path_imports_no_textattack(module: str) -> None:
    code = f"import sys, {module}; sys.exit('textattack' in sys.modules or 'flair' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


# Reads one file of words once, looking up no name in it.
WORD_READER = ROOT / "benchmarks" / "data" / "pickled_words.py"


def test_no_pickle_and_no_remote_code() -> None:
    for path in SOURCES:
        text = path.read_text("utf-8")
        if path == WORD_READER:
            assert "pickle.load" not in text
            text = text.replace("import pickle", "")
        for forbidden in ("import pickle", "torch.load(", "trust_remote_code=True", "allow_pickle=True"):
            assert forbidden not in text, f"{path.relative_to(ROOT)} holds {forbidden!r}"
