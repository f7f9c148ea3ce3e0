"""The door: exit codes, one sentence for a mistake, nothing heavy before a verb is chosen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command import command

from earlyrobust.cli.main import GROUPS, VERBS

ROOT = Path(__file__).resolve().parents[3]


USAGE = {
    (): "no verb was given; see 'earlyrobust --help'",
    ("reprodce",): "unknown verb 'reprodce'; did you mean 'reproduce'?",
    ("new_defense",): "unknown verb 'new_defense'; did you mean 'new-defense'?",
    ("reproduce", "table1", "--runs", "many"): "--runs must be a whole number, got 'many'",
    ("run", "--defens", "pgd"): "unknown option '--defens' of 'earlyrobust run'; did you mean '--defense'?",
}


@pytest.mark.parametrize("arguments", USAGE)
def test_a_usage_mistake_is_one_sentence_and_code_2(arguments: tuple[str, ...], capsys) -> None:
    assert command(*arguments, capsys=capsys) == (2, "", f"earlyrobust: {USAGE[arguments]}\n")


def test_help_groups_the_verbs_and_names_each_once(capsys) -> None:
    code, output, _ = command("--help", capsys=capsys)
    lines = output.splitlines()
    assert code == 0 and all(len(line) <= 120 for line in lines)
    assert [line for line in lines if line.endswith(":")] == [f"{name}:" for name in GROUPS]
    assert [line.split()[0] for line in lines if line.startswith("  ")] == list(VERBS)


def test_the_version_is_the_packages(capsys) -> None:
    assert command("--version", capsys=capsys)[:2] == (0, "0.1.0\n")


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
