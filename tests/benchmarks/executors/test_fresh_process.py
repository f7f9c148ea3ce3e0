"""A call in a process of its own gives what the call gives, and its failures are sentences here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from multiprocessing import forkserver
from pathlib import Path

import pytest
from child_work import count_to, environment, refuse, vanish, wait_for_ever

from baselines.validation import MachineError, UserCodeError, UserError
from benchmarks.executors import fresh_process
from benchmarks.executors.fresh_process import call_in_fresh_process

ROOT = Path(__file__).resolve().parents[3]


def test_every_call_has_a_process_of_its_own_and_says_how_it_gets_on() -> None:
    told = []
    number, first = call_in_fresh_process(count_to, 3, on_progress=lambda: told.append(1))
    _, second = call_in_fresh_process(count_to, 0)
    assert number == 3 == len(told)
    assert len({first, second, os.getpid()}) == 3


@pytest.mark.parametrize("kind", [UserError, MachineError, UserCodeError])
def test_a_refusal_there_is_the_same_here(kind: type[Exception]) -> None:
    with pytest.raises(kind, match=r"^a sentence$"):
        call_in_fresh_process(refuse, kind)


@pytest.mark.parametrize("kind", [ZeroDivisionError, ValueError, RuntimeError])
def test_a_bug_there_keeps_its_traceback(kind: type[Exception]) -> None:
    with pytest.raises(RuntimeError, match=rf"(?s)refuse failed in its process: Traceback .*{kind.__name__}") as caught:
        call_in_fresh_process(refuse, kind)
    assert type(caught.value) is RuntimeError


def test_a_killed_process_is_told_with_its_exit_code() -> None:
    with pytest.raises(RuntimeError, match="vanish ended without an answer, with exit code -9"):
        call_in_fresh_process(vanish)


def kill_the_server() -> None:
    fresh_process.process_context()
    os.kill(forkserver._forkserver._forkserver_pid, signal.SIGKILL)


def test_a_server_of_processes_that_was_killed_is_started_again() -> None:
    call_in_fresh_process(count_to, 0)
    kill_the_server()
    assert call_in_fresh_process(count_to, 3)[0] == 3


@pytest.mark.parametrize("error", [EOFError(), ConnectionRefusedError(111, "refused"), BlockingIOError(11, "no more")])
def test_where_no_process_can_be_had_a_sentence_says_so(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    tried = []

    def refused(*_):
        tried.append(1)
        raise error

    monkeypatch.setattr(fresh_process, "_started", refused)
    with pytest.raises(MachineError, match=r"no process can be started .*close other programs, or use fewer"):
        call_in_fresh_process(count_to, 0)
    assert len(tried) == 2


@pytest.mark.parametrize("length", [60, 100, 200])
def test_a_long_name_of_the_temporary_folder_is_no_matter(tmp_path: Path, length: int) -> None:
    folder = tmp_path / ("x" * max(1, length - len(str(tmp_path)) - 1))
    folder.mkdir()
    code = "from benchmarks.executors.fresh_process import call_in_fresh_process, tempfile\n"
    code += "from child_work import count_to\nprint(call_in_fresh_process(count_to, 3)[0], tempfile.gettempdir())"
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")])
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(folder), "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert found.stdout.strip() == f"3 {folder}", found.stderr


def test_an_interrupt_here_ends_the_process_there(tmp_path: Path) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call_in_fresh_process(wait_for_ever, str(tmp_path / "pid"), on_progress=interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_what_is_imported_before_a_fork_does_not_wake_the_gpu() -> None:
    """Torch refuses a GPU in a process forked from one that asked CUDA for its number of GPUs."""
    assert call_in_fresh_process(environment, "PYTORCH_NVML_BASED_CUDA_CHECK") == "1"
    assert "PYTORCH_NVML_BASED_CUDA_CHECK" not in os.environ


@pytest.mark.integration
def test_folders_named_like_the_suite_s_are_not_taken_for_it(tmp_path: Path) -> None:
    """A user works where results are, not where the suite is, and may have a `benchmarks` of their own."""
    for name in ("baselines", "benchmarks"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('not the suite')")
    (tmp_path / "work.py").write_text("def place(tell):\n    import baselines\n    return baselines.__file__\n")
    code = f"""
import sys
sys.path[0:1] = [{str(ROOT)!r}]
from benchmarks.executors.fresh_process import call_in_fresh_process
sys.path.append({str(tmp_path)!r})
import work
print(call_in_fresh_process(work.place))
"""
    found = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert found.stdout.strip() == str(ROOT / "baselines" / "__init__.py"), found.stderr
