"""Locks: one owner at a time, named; a dead owner's lock is free."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.results.locks import UnderWay, is_held, is_local, locked

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


@pytest.fixture
def shared_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file system is one that machines share."""
    mounts = [SimpleNamespace(mountpoint="/", fstype="nfs4")]
    monkeypatch.setattr("benchmarks.results.locks.psutil.disk_partitions", lambda **_: mounts)


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "lustre", "fuse.sshfs", "9p", "none that is known"])
def test_a_file_system_that_machines_may_share_is_not_local(tmp_path, monkeypatch, kind: str) -> None:
    mounts = [SimpleNamespace(mountpoint="/", fstype="ext4"), SimpleNamespace(mountpoint=str(tmp_path), fstype=kind)]
    monkeypatch.setattr("benchmarks.results.locks.psutil.disk_partitions", lambda **_: mounts)
    assert not is_local(tmp_path / "out" / "locks" / "a")
    assert is_local(tmp_path.parent / "a")


@pytest.mark.parametrize("kind", ["ext4", "overlay", "tmpfs", "xfs"])
def test_the_lock_of_a_dead_container_on_this_machine_s_disk_is_taken_over(tmp_path, monkeypatch, kind: str) -> None:
    mounts = [SimpleNamespace(mountpoint="/", fstype=kind)]
    monkeypatch.setattr("benchmarks.results.locks.psutil.disk_partitions", lambda **_: mounts)
    path = tmp_path / "a"
    path.write_text(json.dumps({"host": "5f3a9c0d12ab", "pid": 1, "since": time.time() - 60}))
    with locked(path, "x"):
        assert json.loads(path.read_text())["host"] == socket.gethostname()


@pytest.mark.parametrize("instead", ["a link", "a link to nowhere", "a pipe", "a folder"])
def test_a_lock_that_is_no_regular_file_is_refused_and_left(tmp_path, instead: str) -> None:
    path, outside = tmp_path / "a", tmp_path / "outside"
    outside.write_text("of somebody else")
    if instead == "a pipe":
        os.mkfifo(path)
    elif instead == "a folder":
        path.mkdir()
    else:
        path.symlink_to(outside if instead == "a link" else tmp_path / "none")
    with pytest.raises(RuntimeError, match="a cannot be taken: "), locked(path, "x"):
        pytest.fail("taken")
    assert outside.read_text() == "of somebody else" and not (tmp_path / "none").exists()
    assert os.path.lexists(path)


def test_a_lock_of_another_machine_is_left_alone(tmp_path, shared_disk) -> None:
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


def test_a_clock_that_jumps_back_makes_no_negative_age(tmp_path, shared_disk) -> None:
    path = tmp_path / "a"
    path.write_text(json.dumps({"host": "elsewhere", "pid": 7, "since": time.time() + 9999}))
    with pytest.raises(ValueError, match=r"\(0 min\)"), locked(path, "x"):
        pytest.fail("taken")


def test_a_folder_that_cannot_be_made_is_named(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RuntimeError, match="file/a cannot be taken"), locked(tmp_path / "file" / "a", "x"):
        pytest.fail("taken")


def test_it_is_waited_for_until_its_owner_ends(tmp_path, caplog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.results.locks.LOOK_AGAIN_SECONDS", 0.05)
    path = tmp_path / "a"
    owner = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    owner.stdout.readline()
    assert is_held(path)
    threading.Timer(0.5, owner.kill).start()
    with locked(path, "the training x", waits=True):
        assert owner.wait(10) == -signal.SIGKILL
        assert json.loads(path.read_text())["pid"] == os.getpid()
    assert caplog.text.count("the training x is running in another process; waiting for its end") == 1
    assert not is_held(path)


def test_what_nobody_may_ever_give_back_is_not_waited_for(tmp_path, shared_disk) -> None:
    path = tmp_path / "a"
    path.write_text(json.dumps({"host": "elsewhere", "pid": 7, "since": time.time()}))
    assert not is_held(path) and not is_held(tmp_path / "none")
    with pytest.raises(UnderWay, match="begun elsewhere"), locked(path, "x", waits=True):
        pytest.fail("taken")
