"""Published numbers: what comes with the suite, what a reader fills in, and the gap to ours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from made_up_victims import Made

from reports.measured import measure
from reports.published import FIELDS, METRICS, Published, gaps, published
from reports.task_results import task_results

HEADER = ",".join(FIELDS) + "\n"


def tasks_of(made: Made) -> list:
    return task_results(measure(made.trainings, made.results))


def number(value: float | None = 50.0, column: str = "textfooler_aua_percent", paper: str = "RobusT") -> Published:
    return Published(paper, "sst2", "freelb", column, value, "a table, a column")


def test_the_suite_s_lists_have_robust_numbers_and_blanks_for_the_paper_itself() -> None:
    numbers = published()
    blank = [each for each in numbers if each.paper == "EarlyRobust"]
    assert blank and all(each.value is None for each in blank)
    known = {(each.task, each.defense, each.column): each.value for each in numbers if each.paper == "RobusT"}
    assert known["imdb", "robust_ticket", "textfooler_aua_percent"] == 55.6
    assert known["sst2", "fine_tune", "textfooler_queries"] == 98.4
    assert known["qqp", "info_bert", "textbugger_aua_percent"] == 35.9
    assert all(0 <= value <= 100 for (_, _, column), value in known.items() if column.endswith("percent"))


def test_no_number_stands_twice_and_each_has_its_source() -> None:
    numbers = published()
    cells = [(each.paper, each.task, each.defense, each.column) for each in numbers]
    assert len(set(cells)) == len(cells)
    assert all("row" in each.source and "column" in each.source for each in numbers)


def test_gaps_are_ours_less_theirs_and_say_why_they_are_no_comparison() -> None:
    made = Made().add("freelb", aua=120, clean=180)
    numbers = [number(), number(98.0, "textfooler_queries"), number(92.0, "clean_percent", "EarlyRobust")]
    table = gaps(tasks_of(made), numbers)
    rows = {row["quantity"]: row for row in table.records()}
    aua = rows["Textfooler Aua %"]
    assert aua["measured"] == pytest.approx(60 + 0.5 / 3) and aua["gap"] == pytest.approx(10 + 0.5 / 3)
    assert (aua["published"], aua["paper"], aua["comparable"]) == (50, "RobusT (another)", "no")
    assert rows["Textfooler #Query"]["gap"] == -88
    assert rows["Clean %"]["paper"] == "EarlyRobust"
    assert rows["Clean %"]["measured_std"] == pytest.approx(0.5 / 3**0.5)
    assert table.caption[0].startswith("Not comparable, SST-2: a backbone of 0 M parameters")
    assert "attacks in the offline profile" in table.caption[0]


def test_a_run_of_the_paper_s_size_is_comparable() -> None:
    stages = [{"name": "train", "updates_per_epoch": 2105, "trace": {}}]
    size = {"parameters_before": 109_483_778, "stages": stages, "recipes": ()}
    made = Made().add("freelb", clean=800, texts=872, surroundings={"max_length": 128}, **size)
    (row,) = gaps(tasks_of(made), [number(92.0, "clean_percent")]).records()
    assert row["comparable"] == "yes"


def test_blanks_stay_blank_and_are_counted_where_we_measured_them() -> None:
    table = gaps(tasks_of(Made().add("freelb")), [number(None), number(None, "bertattack_aua_percent")])
    assert table.rows == ()
    assert "1 more numbers are measured here and blank" in table.caption[-1]
    assert gaps(tasks_of(Made().add("pgd")), [number()]).rows == ()
    assert gaps([], [number(), replace(number(), value=None)]).rows == ()


def test_a_reader_s_own_lists_take_the_place_of_the_suite_s(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("\ufeff" + HEADER + "EarlyRobust,sst2,freelb,clean_percent,91.5,Table 1\n")
    assert published(tmp_path) == [Published("EarlyRobust", "sst2", "freelb", "clean_percent", 91.5, "Table 1")]


MISTAKES = {
    "task": ("P,sst3,freelb,clean_percent,1,s\n", "line 2: unknown task 'sst3'; did you mean 'sst2'?"),
    "defense": ("P,sst2,freelbb,clean_percent,1,s\n", "unknown defense 'freelbb'; did you mean 'freelb'?"),
    "a defense's file": ("P,sst2,mine.py,clean_percent,1,s\n", "unknown defense 'mine.py'"),
    "column": ("P,sst2,pgd,clean,1,s\n", "unknown column 'clean'; did you mean 'clean_percent'?"),
    "value": (
        "P,sst2,pgd,clean_percent,much,s\n",
        "value must be a number, or empty where it is not known, got 'much'",
    ),
    "not a number": ("P,sst2,pgd,clean_percent,nan,s\n", "value must be a number"),
    "fields": ("P,sst2,pgd\n", "the row must have 6 fields"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_names_file_and_line(case: str, tmp_path: Path) -> None:
    row, sentence = MISTAKES[case]
    (tmp_path / "mine.csv").write_text(HEADER + row)
    with pytest.raises(ValueError) as refusal:
        published(tmp_path)
    assert sentence in str(refusal.value) and "mine.csv, line 2" in str(refusal.value)


def test_a_folder_without_lists_and_a_list_of_other_columns_are_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(ValueError, match="holds no CSV file of published numbers"):
            published(folder)
    (tmp_path / "mine.csv").write_text("a,b\n")
    with pytest.raises(ValueError, match="the columns must be paper, task, defense, column, value, source, got a, b"):
        published(tmp_path)


def test_every_metric_is_one_of_a_table_s() -> None:
    assert set(METRICS) == {"aua_percent", "queries"}
