"""The command as a user calls it, in this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from earlyrobust.cli.main import main


def command(*arguments: str, capsys: pytest.CaptureFixture) -> tuple[int, str, str]:
    """Exit code, output and errors of one call."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    captured = capsys.readouterr()
    return end.value.code, captured.out, captured.err


def small_texts(backbone: Path, out: Path) -> list[str]:
    """Options of a few texts, for verbs that take no number of runs."""
    sizes = ["--train-texts", "40", "--test-texts", "20", "--attacked", "2", "--threads", "1"]
    return ["--preset", "demo", "--backbone", str(backbone), "--out", str(out), *sizes]


def small(backbone: Path, out: Path) -> list[str]:
    """Options of a run that takes seconds."""
    return [*small_texts(backbone, out), "--runs", "1"]
