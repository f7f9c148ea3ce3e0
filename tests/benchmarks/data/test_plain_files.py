"""Files in folders that came from elsewhere: no link followed, no pipe waited for, nothing half written."""

from __future__ import annotations

import errno
import os
import signal
import stat
import threading
import time
from pathlib import Path

import pytest

from benchmarks.data.plain_files import (
    NotPlain,
    alone_in,
    is_plain_file,
    open_plain,
    part_of,
    read_bytes,
    read_text,
    remove_left_parts,
    require_plain,
    write_atomically,
)


def link(path: Path) -> None:
    path.symlink_to(path.with_name("elsewhere"))
    path.with_name("elsewhere").write_text("of somebody else")


def link_to_nowhere(path: Path) -> None:
    path.symlink_to("nowhere")


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


ODD = {"a link": link, "a link to nowhere": link_to_nowhere, "a link to a device": device, "a pipe": os.mkfifo}


@pytest.mark.parametrize("kind", [*ODD, "a folder"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, kind: str) -> None:
    path = tmp_path / "x"
    ODD.get(kind, Path.mkdir)(path)
    assert not is_plain_file(path)
    with pytest.raises(OSError):
        read_bytes(path)
    with pytest.raises(OSError):
        open_plain(path, os.O_RDWR | os.O_CREAT)
    if kind != "a folder":
        with pytest.raises(NotPlain, match=r"x is a (link|pipe)"):
            require_plain(tmp_path, path)
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_that_is_a_link_on_the_way_is_refused_but_not_the_root(tmp_path) -> None:
    (tmp_path / "real" / "inside").mkdir(parents=True)
    (tmp_path / "root").symlink_to("real")
    require_plain(tmp_path / "root", tmp_path / "root" / "inside" / "absent")
    (tmp_path / "real" / "away").symlink_to("inside")
    with pytest.raises(NotPlain, match="away is a link"):
        require_plain(tmp_path / "root", tmp_path / "root" / "away" / "x")


def test_a_file_larger_than_is_read_is_refused(tmp_path) -> None:
    path = tmp_path / "x"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(NotPlain, match="has 1099511627776 bytes; 10 are allowed"):
        read_text(path, 10)
    assert not is_plain_file(path, 10)


@pytest.mark.parametrize(("umask", "rights"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_new_files_get_the_rights_that_the_umask_leaves(tmp_path, umask: int, rights: int) -> None:
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "a", "x")
        os.close(open_plain(tmp_path / "b", os.O_RDWR | os.O_CREAT))
    finally:
        os.umask(before)
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "ab"} == {rights}


def test_a_link_is_replaced_and_what_it_pointed_to_stays(tmp_path) -> None:
    link(tmp_path / "x")
    write_atomically(tmp_path / "x", "new")
    assert is_plain_file(tmp_path / "x") and (tmp_path / "elsewhere").read_text() == "of somebody else"


def test_a_full_disk_leaves_the_old_file_and_no_rubbish(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.md"
    write_atomically(path, "old")

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("benchmarks.data.plain_files.os.fsync", full)
    with pytest.raises(RuntimeError, match=r"table.md cannot be written: No space left"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["table.md"]


def test_a_long_name_still_gets_its_temporary_file(tmp_path) -> None:
    write_atomically(tmp_path / ("x" * 250), "content")
    assert (tmp_path / ("x" * 250)).read_text() == "content"


def in_child(path: Path) -> int:
    """A process that is at writing `path`; its temporary file is there."""
    child = os.fork()
    if child == 0:
        with part_of(path) as part:
            part.write_text("half")
            time.sleep(600)
    while not list(path.parent.glob(".*.part")):
        time.sleep(0.01)
    time.sleep(0.1)
    return child


def test_the_temporary_file_of_a_killed_writer_goes_and_that_of_a_living_one_stays(tmp_path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / ".hidden").write_text("of the user")
    (tmp_path / ".x-00000000.part").symlink_to(".hidden")
    child = in_child(tmp_path / "deep" / "table.md")
    try:
        remove_left_parts(tmp_path)
        assert len(list((tmp_path / "deep").iterdir())) == 1, "the writer lives"
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    remove_left_parts(tmp_path)
    assert not list((tmp_path / "deep").iterdir())
    assert (tmp_path / ".hidden").read_text() == "of the user"


def test_one_process_at_a_time_works_for_a_folder_and_a_killed_one_keeps_nobody_out(tmp_path, caplog) -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        with alone_in(tmp_path):
            os.write(writer, b".")
            time.sleep(600)
    os.read(reader, 1)
    killer = threading.Timer(0.3, os.kill, [child, signal.SIGKILL])
    killer.start()
    with alone_in(tmp_path, "somebody is at it"):
        assert killer.finished.is_set(), "it was waited for"
    os.waitpid(child, 0)
    assert caplog.messages == ["somebody is at it"]
    with alone_in(tmp_path, "somebody is at it"):
        assert not list(tmp_path.iterdir()), "nothing is left in the folder"
    assert len(caplog.messages) == 1


def test_where_a_folder_cannot_be_locked_nobody_is_kept_out(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("benchmarks.data.plain_files.fcntl.flock", unsupported)
    with pytest.raises(KeyError), alone_in(tmp_path):
        raise KeyError
