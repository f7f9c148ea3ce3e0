"""The door: exit codes, one sentence for a mistake, nothing heavy before a verb is chosen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command import command

ROOT = Path(__file__).resolve().parents[3]


def test_a_missing_verb_or_wrong_type_is_usage(capsys) -> None:
    assert command(capsys=capsys)[0] == 2
    assert command("reproduce", "table1", "--runs", "many", capsys=capsys)[0] == 2


def test_an_interrupted_run_says_it_continues(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("benchmarks.jobs.resolve.resolve", interrupt)
    code, _, errors = command("reproduce", "table1", capsys=capsys)
    assert code == 75
    assert "the same command continues" in errors


def test_output_may_be_cut_off() -> None:
    """As by `| head`: the command ends without a traceback."""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "earlyrobust", "ls", "recipes"]
    ended = subprocess.run(command, cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (ended.returncode, ended.stderr) == (1, "")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom earlyrobust.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit: pass\n"
        "sys.exit(bool({'torch', 'transformers', 'pandas', 'datasets', 'textattack'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True).returncode == 0
