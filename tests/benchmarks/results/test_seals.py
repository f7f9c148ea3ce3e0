"""Hashes of tables: noted when written, missed when changed."""

from __future__ import annotations

import shutil
import subprocess
import threading

import pytest

from benchmarks.results.seals import SEALS, broken_seals, seal


def test_a_changed_table_is_found_and_a_new_one_is_sealed_beside_it(tmp_path) -> None:
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text("1")
    second.write_text("2")
    seal(tmp_path, [first])
    seal(tmp_path, [second])
    assert list(broken_seals(tmp_path)) == []
    first.write_text("3")
    ((name, complaint),) = broken_seals(tmp_path)
    assert name == "a.csv" and "was changed" in complaint
    seal(tmp_path, [first])
    assert list(broken_seals(tmp_path)) == []
    second.unlink()
    assert list(broken_seals(tmp_path)) == [], "a table may be thrown away"


def test_the_usual_tool_reads_it(tmp_path) -> None:
    tool = shutil.which("sha256sum")
    if tool is None:
        pytest.skip("sha256sum is not installed")
    (tmp_path / "a.csv").write_text("1")
    seal(tmp_path, [tmp_path / "a.csv"])
    assert subprocess.run([tool, "-c", SEALS], cwd=tmp_path, capture_output=True).returncode == 0


def test_foreign_lines_lead_nowhere(tmp_path) -> None:
    (tmp_path / SEALS).write_text("rubbish\n0000  ../outside\n\x00\n")
    assert list(broken_seals(tmp_path)) == []
    assert list(broken_seals(tmp_path / "empty")) == []


def test_two_commands_that_write_tables_into_one_folder_lose_no_hash(tmp_path) -> None:
    def write(letter: str) -> None:
        for number in range(25):
            path = tmp_path / f"{letter}{number}.csv"
            path.write_text(letter)
            seal(tmp_path, [path])

    commands = [threading.Thread(target=write, args=(letter,)) for letter in "abc"]
    for each in commands:
        each.start()
    for each in commands:
        each.join()
    assert len((tmp_path / SEALS).read_text().splitlines()) == 75
    assert list(broken_seals(tmp_path)) == []
