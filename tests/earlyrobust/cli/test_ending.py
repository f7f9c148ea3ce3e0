"""Every end of the command has its exit code and one sentence; a bug keeps its traceback."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command import command, small

from baselines.validation import MachineError, UserCodeError, UserError
from benchmarks.data.plain_files import NotPlain

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (UserError("the colour must be red"), 2, "earlyrobust: the colour must be red"),
        (MachineError("the disk is gone"), 1, "earlyrobust: the disk is gone"),
        (UserCodeError("KeyError: 3"), 3, "earlyrobust: KeyError: 3"),
        (ValueError("too many values to unpack"), 1, "this is a bug: ValueError: too many values to unpack; report it"),
        (RuntimeError("shapes"), 1, "this is a bug: RuntimeError: shapes; report it"),
        (PermissionError(errno.EACCES, "Permission denied", "/there"), 2, "earlyrobust: /there: Permission denied"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "n" * 300), 2, "File name too long"),
        (OSError(errno.ENOSPC, "No space left on device", "/full"), 1, "earlyrobust: /full: No space left on device"),
        (NotPlain("/there is a link"), 2, "earlyrobust: /there is a link"),
        (MemoryError("too much"), 1, "the memory is too small"),
        (GeneratorExit("of a class of its own"), 1, "this is a bug: GeneratorExit: of a class of its own; report it"),
        (SystemExit(0), 1, "this is a bug: RuntimeError: a part ended the process as if all were done"),
    ],
)
def test_every_end_has_its_code_and_sentence(
    error: BaseException, code: int, sentence: str, capsys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("benchmarks.jobs.resolve.resolve", fail)
    found, _, errors = command("reproduce", "table1", capsys=capsys)
    assert found == code
    assert sentence in errors and len(errors.splitlines()) == 1
    kept = list(tmp_path.glob("earlyrobust-*.txt"))
    assert len(kept) == ("bug" in sentence)
    assert all(path.name in errors and "Traceback" in path.read_text("utf-8") for path in kept)


def test_a_traceback_that_cannot_be_kept_is_shown(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments, **options):
        raise KeyError("threads")

    monkeypatch.setattr("tempfile.tempdir", "/nowhere/at/all")
    monkeypatch.setattr("benchmarks.jobs.resolve.resolve", fail)
    code, _, errors = command("reproduce", "table1", capsys=capsys)
    assert code == 1
    assert "Traceback" in errors and "with the lines above" in errors


@pytest.mark.parametrize(
    "line",
    ["sys.exit(0)", "raise SystemExit", "raise KeyboardInterrupt", "raise GeneratorExit"],
)
def test_a_users_file_cannot_end_the_command_as_a_success(line: str, tmp_path: Path, capsys) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(f"import sys\n{line}\n")
    code, _, errors = command("check", str(mine), capsys=capsys)
    assert code == (75 if "Keyboard" in line else 2)
    assert errors.startswith("earlyrobust: ") and len(errors.splitlines()) == 1


@pytest.mark.parametrize("line", ["os._exit(0)", "sys.stdout.close()"])
def test_a_users_file_cannot_end_the_process_as_a_success(line: str, tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(f"import os, sys\n{line}\n")
    ended = subprocess.run(
        [sys.executable, "-m", "earlyrobust", "check", str(mine)], cwd=ROOT, capture_output=True, text=True
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("earlyrobust: ") and len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "full", "code"),
    [
        (["ls", "experiments"], "stdout", 1),
        (["--help"], "stdout", 1),
        (["ls", "nothing"], "stderr", 2),
        (["reproduce", "table1", "--runs", "many"], "stderr", 2),
    ],
)
def test_a_full_device_gets_no_traceback_and_changes_no_other_code(arguments, full: str, code: int) -> None:
    with Path("/dev/full").open("w") as device:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | {full: device}
        buffered = {**os.environ, "PYTHONUNBUFFERED": ""}  # as a user's screen is; what is left is written at the end
        command = [sys.executable, "-m", "earlyrobust", *arguments]
        ended = subprocess.run(command, cwd=ROOT, env=buffered, text=True, **streams)
    assert ended.returncode == code
    if full == "stdout":
        assert ended.stderr == "earlyrobust: No space left on device\n"


@pytest.mark.parametrize("backend", ["junk", "module://none.such", "QtAgg"])
def test_a_window_s_library_that_is_not_there_is_not_asked_for(backend: str) -> None:
    code = (
        "from earlyrobust.cli import main\n"
        "main._run = lambda arguments: __import__('matplotlib.pyplot').get_backend().lower() != 'agg'\n"
        "main.main([])"
    )
    environment = os.environ | {"MPLBACKEND": backend}
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


UNREAD = {
    ("evaluate", "--callable", "mine.py:f", "--schedule", "published"): "--schedule changes nothing in 'evaluate'",
    ("evaluate", "--callable", "mine.py:f", "--track", "nonsense"): "--track changes nothing in 'evaluate'",
    ("evaluate", "--callable", "mine.py:f", "--runs", "3"): "--runs changes nothing in 'evaluate'",
    ("reproduce", "figure2", "--nltk-data", "nonsense"): "--nltk-data changes nothing in 'figure2'",
    ("reproduce", "table6", "--data", "nonsense"): "--data changes nothing in 'table6'",
    ("plan", "figure5", "--encoder", "nonsense"): "--encoder changes nothing in 'figure5'",
    ("plan", "table1", "--no-wait"): "--no-wait changes nothing in 'plan'",
    ("bench", "steps", "--backbone", "nonsense"): "--backbone changes nothing in 'bench steps'",
    ("bench", "loops", "--recipes", "nonsense"): "--recipes changes nothing in 'bench loops'",
    ("bench", "attacks", "--defenses", "nonsense"): "--defenses changes nothing in 'bench attacks'",
    ("bench", "attacks", "--updates", "7"): (
        "--updates must be left out but for 'bench steps', 'bench loops' and 'bench cpu', got 7"
    ),
    ("bench", "cpu", "--device", "cpu"): "--device changes nothing in 'bench cpu'",
    ("bench", "executors", "--device", "nonsense"): "--device changes nothing in 'bench executors'",
    ("bench", "executors", "--words", "1", "2"): "--words must be left out but for 'bench attacks'",
    ("doctor", "--device", "nonsense"): "--device must be left out without --timing, got 'nonsense'",
    ("evidence", "--bundle", "new", "--only", "nonsense"): "--only must be left out beside --bundle, which only packs",
    ("show", "textfooler", "--task", "nonsense"): "--task must be left out for the recipe 'textfooler'",
    ("show", "synonyms", "good", "--task", "sst2"): "--task goes with a defense",
    ("synonym-quality", "a.md", "--wordnet", "w", "--listed", "l", "--synonyms", "s"): "--synonyms changes nothing in",
    ("attack", "--model", "m", "--data", "d.csv", "--recipe", "textattack:PWWSRen2019", "--engine", "nonsense"): (
        "unknown engine 'nonsense'"
    ),
    ("run", "--defenses", "nonsense"): "--defenses changes nothing in 'run'",
    ("plan", "table1", "--json", "a.json"): "--json changes nothing in 'plan'",
    ("run", "--preset", "demo", "--data", "nonsense"): "--data is not read for the generated task demo",
    ("run", "--preset", "demo", "--synonyms", "nonsense"): "nonsense",
    ("run", "--out", ""): "--out must be a path, got ''",
    ("plan", "table1", "--encoder", ""): "--encoder must be text, got ''",
    ("plan", "table1", "--backbone", ""): "--backbone must be text, got ''",
    ("show", ""): "NAME must be text, got ''",
    ("verify", "a\0b"): r"OUT must be a path, got 'a\x00b'",
    ("paper-index", "n" * 300): "cannot be written: File name too long",
    ("paper-index", "."): "TO '.' is a folder; give a file",
    ("build-synonyms", "--wordnet", ".", "--out", "."): "--out '.' is a folder; give a file",
    ("synonym-quality", ".", "--wordnet", "w", "--listed", "l"): "TO '.' is a folder; give a file",
    ("new-defense", "mine", "--out", "/dev/null"): "--out '/dev/null' is not a folder; give one",
    ("evidence", "--out", "/dev/null"): "--out '/dev/null' is not a folder; give one",
    ("evidence", "--out", "caf\udce9"): "--out must have a name in UTF-8, got 'caf\\udce9'; give another folder",
    ("prepare", "--assets", "n" * 300): "cannot be written: File name too long",
    ("prepare", "--assets", "/proc/there"): "--assets '/proc/there' cannot be written",
    ("prepare", "--assets", "/dev/null"): "--assets '/dev/null' is not a folder; give one",
    ("ls", "defenses", "--json", "/proc/there.json"): "--json '/proc/there.json' cannot be written",
    ("verify", ".", "--json", "."): "--json '.' is a folder; give a file",
}


@pytest.mark.parametrize("arguments", UNREAD)
def test_options_that_nothing_reads_and_places_that_cannot_be_written_are_refused_before_the_work(
    arguments: tuple[str, ...], capsys
) -> None:
    code, _, errors = command(*arguments, capsys=capsys)
    assert code == 2 and UNREAD[arguments] in errors and len(errors.splitlines()) == 1


def test_a_page_for_a_device_is_streamed_and_replaces_nothing(capsys) -> None:
    assert command("paper-index", "/dev/null", capsys=capsys) == (0, "/dev/null\n", "")
    assert Path("/dev/null").is_char_device()


def test_a_screen_without_a_letter_loses_no_result(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "earlyrobust", "show", "freelb", "--json", str(tmp_path / "t.json")]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True)
    assert ended.returncode == 0 and (tmp_path / "t.json").is_file()
    ended.stdout.decode("ascii")


def test_an_exception_in_a_users_step_is_shown_with_its_lines_alone(tiny_backbone, tmp_path: Path, capsys) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(
        """
from dataclasses import dataclass
from baselines.defense import Defense

@dataclass(frozen=True)
class Mine(Defense, key="mine"):
    title, paper = "Mine", "no paper"

    def step(self, model, batch):
        return batch.no_such_field
"""
    )
    code, _, errors = command("run", "--defense", str(mine), *small(tiny_backbone, tmp_path / "out"), capsys=capsys)
    assert code == 3 and "AttributeError" in errors
    assert "mine.py, line 10: return batch.no_such_field" in errors and "training.py" not in errors
