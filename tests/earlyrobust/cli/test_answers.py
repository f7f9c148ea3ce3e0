"""What a verb answers: a table on the screen and in files, and the exit code."""

from __future__ import annotations

import json
from dataclasses import replace

from earlyrobust.cli.answers import INCOMPLETE, print_table, say, show_report
from earlyrobust.returned import Report
from reports.tables import Column, Table

TABLE = Table("Films", (Column("Title", "title", numeric=False),), (("Alien",),))


def test_a_listing_is_printed_and_written_where_asked_alone(tmp_path, capsys) -> None:
    assert print_table(TABLE, None) == 0 and "Alien" in capsys.readouterr().out
    written = tmp_path / "films.json"
    assert print_table(replace(TABLE, incomplete=True), written) == 0, "that no listing is whole is no failure"
    assert json.loads(written.read_text())["rows"] == [{"title": "Alien"}]


def test_a_report_names_its_files_and_whether_it_is_whole(tmp_path, capsys) -> None:
    files = (tmp_path / "films.md", tmp_path / "films.csv")
    assert show_report(Report(TABLE, files)) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [*map(str, files)]
    assert show_report(Report(replace(TABLE, incomplete=True))) == INCOMPLETE


def test_lines_cannot_steer_a_terminal(capsys) -> None:
    say("one\x1b[2J", "two")
    assert capsys.readouterr().out == "one[2J\ntwo\n"
