"""What a verb answers: a table on the screen and in files, and the exit code."""

from __future__ import annotations

import json
from dataclasses import replace

from earlyrobust.cli.answers import INCOMPLETE, keep_table, print_table, say
from reports.tables import Column, Table

TABLE = Table("Films", (Column("Title", "title", numeric=False),), (("Alien",),))


def test_a_listing_is_printed_and_written_where_asked_alone(tmp_path, capsys) -> None:
    assert print_table(TABLE, None) == 0 and "Alien" in capsys.readouterr().out
    written = tmp_path / "films.json"
    assert print_table(replace(TABLE, incomplete=True), written) == 0, "that no listing is whole is no failure"
    assert json.loads(written.read_text())["rows"] == [{"title": "Alien"}]


def test_a_kept_table_names_its_files_and_whether_it_is_whole(tmp_path, capsys) -> None:
    written = tmp_path / "also.json"
    assert keep_table(TABLE, tmp_path / "out", "films", written) == 0
    names = [line for line in capsys.readouterr().out.splitlines() if line.startswith(str(tmp_path))]
    assert sorted(names) == sorted(map(str, (tmp_path / "out").glob("films.*"))) and len(names) == 5
    assert written.read_bytes() == (tmp_path / "out" / "films.json").read_bytes()
    assert keep_table(replace(TABLE, incomplete=True), tmp_path / "out", "films", None) == INCOMPLETE


def test_lines_cannot_steer_a_terminal(capsys) -> None:
    say("one\x1b[2J", "two")
    assert capsys.readouterr().out == "one[2J\ntwo\n"
