"""Locks: one owner at a time, named; a dead owner's lock is free."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.results.locks import locked

ROOT = Path(__file__).resolve().parents[3]
HOLD = "import sys, time; from pathlib import Path; from benchmarks.results.locks import locked\n"
HOLD += "with locked(Path(sys.argv[1]), 'it'): print('held', flush=True); time.sleep(60)"


def test_a_second_process_is_refused_and_a_dead_owner_s_lock_is_taken_over(tmp_path) -> None:
    path = tmp_path / "locks" / "a"
    with subprocess.Popen([sys.executable, "-c", HOLD, path], cwd=ROOT, stdout=subprocess.PIPE, text=True) as owner:
        try:
            assert owner.stdout.readline() == "held\n"
            with pytest.raises(ValueError) as refusal, locked(path, "the training x"):
                pytest.fail("two owners")
            assert re.fullmatch(
                rf"the training x is under way already: by process {owner.pid} on {re.escape(socket.gethostname())} "
                r"since [-\d]+ [:\d]+ \(0 min\); wait for its end, or give another folder",
                str(refusal.value),
            )
        finally:
            os.kill(owner.pid, signal.SIGKILL)
    assert path.exists(), "a killed owner leaves its name behind"
    with locked(path, "the training x"):
        assert json.loads(path.read_text())["pid"] == os.getpid()
    assert not path.exists()


def test_the_same_process_cannot_hold_it_twice_and_an_exception_frees_it(tmp_path) -> None:
    path = tmp_path / "a"
    with pytest.raises(KeyboardInterrupt), locked(path, "x"):
        with pytest.raises(ValueError, match=f"by process {os.getpid()} on"), locked(path, "x"):
            pytest.fail("two owners")
        raise KeyboardInterrupt
    with locked(path, "x"):
        pass


def test_a_lock_of_another_machine_is_left_alone(tmp_path) -> None:
    path = tmp_path / "a"
    path.write_text(json.dumps({"host": "elsewhere", "pid": 7, "since": time.time() - 7200}))
    refused = pytest.raises(ValueError, match=r"begun elsewhere: by process 7 on elsewhere .*\(120 min\).* remove .*a$")
    with refused, locked(path, "x"):
        pytest.fail("taken")
    assert path.exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"host": 1}', '{"host": "h", "pid": "x", "since": 0}'])
def test_a_half_written_name_is_nobody_s(tmp_path, content: str) -> None:
    path = tmp_path / "a"
    path.write_text(content)
    with locked(path, "x"):
        assert json.loads(path.read_text())["host"] == socket.gethostname()


def test_a_clock_that_jumps_back_makes_no_negative_age(tmp_path) -> None:
    path = tmp_path / "a"
    path.write_text(json.dumps({"host": "elsewhere", "pid": 7, "since": time.time() + 9999}))
    with pytest.raises(ValueError, match=r"\(0 min\)"), locked(path, "x"):
        pytest.fail("taken")


def test_a_folder_that_cannot_be_made_is_named(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RuntimeError, match="file/a cannot be taken"), locked(tmp_path / "file" / "a", "x"):
        pytest.fail("taken")
