"""Files of the user's: refused before the work where they cannot be written, streamed into what is no regular file."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from baselines.validation import UserError
from reports.output_files import require_output, require_output_folder, write_output


@pytest.mark.parametrize("place", [".", "/", "file/inside.json", "n" * 300, "/proc/there.json"])
def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="--json"):
        require_output(tmp_path / place, "--json")


@pytest.mark.parametrize("place", ["file", "file/inside", "pipe", "n" * 300, "/proc/there", "/dev/null"])
def test_a_folder_that_cannot_be_written_into_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="--out"):
        require_output_folder(tmp_path / place, "--out")
    for sound in (tmp_path, tmp_path / "new" / "folder"):
        require_output_folder(sound, "--out")
    assert not (tmp_path / "new").exists()


def test_a_new_place_an_old_file_and_a_device_are_taken(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text("{}")
    for place in (tmp_path / "old.json", tmp_path / "new" / "folder" / "a.json", Path("/dev/null")):
        require_output(place, "--json")
    assert not (tmp_path / "new").exists()


def test_a_device_stays_a_device(tmp_path: Path) -> None:
    write_output(Path("/dev/null"), "text")
    write_output(Path("/dev/null"), b"bytes")
    assert Path("/dev/null").is_char_device()


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "link.json").symlink_to(tmp_path / "kept" / "real.json")
    write_output(tmp_path / "link.json", "text")
    assert (tmp_path / "link.json").is_symlink() and (tmp_path / "kept" / "real.json").read_text() == "text"


def test_a_pipe_gets_the_text(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_text()))
    reader.start()
    write_output(tmp_path / "pipe", "text")
    reader.join(10)
    assert read == ["text"]
