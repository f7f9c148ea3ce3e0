"""A board's files: read in order, refused by name, a manifest that names the files of results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_up_victims import Made

from reports.board_files import (
    append_log,
    is_board,
    logged,
    manifest,
    path_of,
    read_claims,
    read_rows,
    write_manifest,
    write_row,
)
from reports.measured import measure
from reports.row import row_of


@pytest.fixture
def board(tmp_path: Path) -> Path:
    made = Made().add("early_robust").add("freelb").add("fine_tune", task="imdb")
    for number, cell in enumerate(measure(made.trainings, made.results)):
        write_row(tmp_path, row_of(cell, {f"attacks/{number}/outcomes.jsonl": "0" * 64}))
    return tmp_path


def test_rows_come_in_the_order_of_the_tables(board: Path) -> None:
    assert is_board(board) and not is_board(board / "rows")
    found = [(row.task, row.defense) for row in read_rows(board)]
    assert found == [("imdb", "fine_tune"), ("sst2", "freelb"), ("sst2", "early_robust")]
    assert read_rows(board / "none") == [] and read_claims(board) == {} and logged(board) == set()


@pytest.mark.parametrize("what", ["no JSON", "another name"])
def test_a_file_that_is_no_row_is_named(board: Path, what: str) -> None:
    row = read_rows(board)[0]
    path = path_of(board, row)
    if what == "no JSON":
        path.write_text("{")
    else:
        path = path.rename(path.with_name("mine.json"))
    with pytest.raises(ValueError, match=rf"{path.name} is no row of a board"):
        read_rows(board)


def test_the_manifest_has_a_line_for_each_file_once(board: Path) -> None:
    rows = read_rows(board)
    write_manifest(board, [*rows, *rows])
    lines = (board / "manifest.sha256").read_text().splitlines()
    assert lines == [f"{'0' * 64}  attacks/{number}/outcomes.jsonl" for number in range(3)]
    assert manifest([]) == ""


def test_the_log_grows_and_a_broken_line_is_named(board: Path) -> None:
    append_log(board, [{"measurement": "a"}])
    append_log(board, [{"measurement": "b"}])
    assert logged(board) == {"a", "b"}
    assert [json.loads(line)["measurement"] for line in (board / "log.jsonl").read_text().splitlines()] == ["a", "b"]
    (board / "log.jsonl").write_text("{}\n")
    with pytest.raises(ValueError, match=r"log\.jsonl has a line that cannot be read"):
        logged(board)
    (board / "claims.json").write_text("[1]")
    with pytest.raises(ValueError, match=r"claims\.json holds no verdicts"):
        read_claims(board)
