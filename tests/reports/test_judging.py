"""Raters learn nothing about methods; their answers correct Aua %."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from made_up_successes import successes

from baselines.validation import UserError
from reports.judging import FIELDS, KEY, is_valid, judged_table, read_answers, write_questions


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Three successes of five texts on each of two methods."""
    return successes(tmp_path / "results")


def filled(folder: Path, answer) -> None:
    """Answer every row of every rater: `answer(rater, about)` gives label, natural and meaning."""
    key = json.loads((folder / KEY).read_text())["rows"]
    for path in folder.glob("rater_*.csv"):
        rows = list(csv.DictReader(io.StringIO(path.read_text())))
        for row in rows:
            row |= dict(zip(FIELDS[3:], answer(path.stem, key[row["row"]]), strict=True))
        output = io.StringIO()
        writer = csv.DictWriter(output, FIELDS)
        writer.writeheader()
        writer.writerows(rows)
        path.write_text(output.getvalue())


def test_raters_see_each_text_once_and_no_names(results: Path, tmp_path: Path) -> None:
    paths = write_questions(results, tmp_path / "asked", 4, None, 0)
    assert [path.name for path in paths] == ["questions.txt", *(f"rater_{n}.csv" for n in (1, 2, 3)), KEY]
    assert "negative, positive, unclear" in paths[0].read_text()
    tables = [list(csv.DictReader(io.StringIO(path.read_text()))) for path in paths[1:4]]
    assert len({tuple(row["row"] for row in rows) for rows in tables}) == 3, "each rater has an order of his own"
    rows = tables[0]
    assert "Fine" not in paths[1].read_text() and "attacked" not in paths[1].read_text()
    single = [row["first"] for row in rows if not row["second"]]
    assert len(single) == len(set(single)) and sum(text.startswith("'=a good") for text in single) in (2, 3)
    assert sum(bool(row["second"]) for row in rows) == 4
    key = json.loads(paths[-1].read_text())["rows"]
    assert {about["method"] for about in key.values() if about["kind"] == "pair"} == {"Fine Tune", "Freelb"}
    assert {row["row"] for row in rows} == set(key)
    again = write_questions(results, tmp_path / "again", 4, None, 0)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in paths]


def test_answers_void_the_successes_that_people_read_otherwise(results: Path, tmp_path: Path) -> None:
    folder = tmp_path / "asked"
    write_questions(results, folder, 100, None, 0)

    def answer(rater: str, about: dict) -> tuple[str, str, str]:
        if about["kind"] == "pair":
            return "", "", "3"
        wrong = about["kind"] == "attacked" and about["method"] == "Freelb" and about["example"] in ("test-0", "test-1")
        if wrong and (about["example"] == "test-0" or rater == "rater_1"):
            return "unclear", "2", ""
        return "Positive", "4", ""

    filled(folder, answer)
    table = judged_table(results, folder)
    plain, freelb = table.records()
    assert (plain["judged"], plain["valid_percent"], plain["aua_percent"], plain["validated_aua_percent"]) == (
        3,
        100,
        20,
        20,
    )
    assert freelb["valid_percent"] == pytest.approx(200 / 3)
    assert freelb["validated_aua_percent"] == freelb["validated_aua_percent_low"] == pytest.approx(40)
    assert plain["same_meaning"] == 3 and freelb["natural"] == pytest.approx((9 * 4 - 4 * 2) / 9)
    said = " ".join(table.caption)
    assert "label 0." in said and "meaning –" in said and "3 of 3 originals are read as their gold class" in said


def test_a_part_of_the_successes_gives_an_interval(results: Path, tmp_path: Path) -> None:
    folder = tmp_path / "asked"
    write_questions(results, folder, 2, None, 1)
    filled(folder, lambda rater, about: ("", "", "1") if about["kind"] == "pair" else ("positive", "", ""))
    row = judged_table(results, folder).records()[0]
    assert (row["judged"], row["validated_aua_percent"], row["validated_aua_percent_low"]) == (1, 20, 20)
    assert row["validated_aua_percent_high"] == pytest.approx(20 + 60 * (1 - 0.025))
    assert row["natural"] is None


def test_a_majority_is_more_than_half() -> None:
    assert is_valid(["a", "a", "b"], "a") and not is_valid(["a", "b"], "a") and not is_valid(["b", "b", "a"], "a")


def test_other_answers_are_refused_by_file_and_row(results: Path, tmp_path: Path) -> None:
    folder = tmp_path / "asked"
    write_questions(results, folder, 2, None, 0)
    with pytest.raises(UserError, match="is not empty"):
        write_questions(results, folder, 2, None, 0)
    with pytest.raises(UserError, match="--task must be one of SST-2"):
        write_questions(results, tmp_path / "new", 2, "IMDB", 0)
    rater = folder / "rater_2.csv"
    whole = rater.read_text()
    for content, complaint in (
        (whole.replace("same_meaning", "meaning"), "no column 'same_meaning'"),
        (whole + "99,a,,,,\n", "the row '99' is not in the key"),
        (whole + "1,a,,,,\n", "the row '1' is there twice"),
        (whole.rstrip("\n")[:-3] + ",good,,\n", "label must be one of negative, positive, unclear"),
    ):
        rater.write_text(content)
        with pytest.raises(UserError, match=r"rater_2\.csv") as caught:
            read_answers(folder)
        assert complaint in str(caught.value)
    rater.write_text(whole.replace(",", ";"))
    assert read_answers(folder).task == "SST-2"
    (folder / KEY).write_text("{}")
    with pytest.raises(UserError, match="is not a key"):
        read_answers(folder)
