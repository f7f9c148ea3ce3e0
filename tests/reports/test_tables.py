"""A table's renderings, with hostile text in them."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from html.parser import HTMLParser

import pytest
from rich.console import Console

from reports.tables import Column, Number, Table, write_json, write_table

HOSTILE = "<script>alert(1)</script> | =1+1 \x1b[31m & 100% _$#{}~^\\"

TABLE = Table(
    "Table <1>",
    (Column("Method", "method", False), Column("Clean %", "clean_percent"), Column("Time s", "time_seconds")),
    (("Fine-tune", Number(92.06, 0.52), Number(10.0)), (HOSTILE, Number(math.nan), Number(3.5, digits=2, suffix="×"))),
    ("Caption with 5 % and <tags>.",),
)


def test_numbers_show_spread_blank_and_suffix() -> None:
    assert str(Number(92.06, 0.52)) == "92.1 ± 0.5"
    assert str(Number(math.nan)) == "–"
    assert str(Number(3.456, digits=2, suffix="×")) == "3.46×"


def test_markdown_escapes_pipes_and_tags() -> None:
    text = TABLE.to_markdown()
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 4
    assert "<script" not in text and "\x1b" not in text
    assert all(row.replace(r"\|", "").count("|") == 4 for row in rows)


def test_csv_reads_back_and_runs_nothing() -> None:
    rows = list(csv.DictReader(io.StringIO(TABLE.to_csv())))
    assert rows[0] == {
        "method": "Fine-tune",
        "clean_percent": "92.06",
        "clean_percent_std": "0.52",
        "time_seconds": "10.0",
        "time_seconds_std": "",
    }
    for start in "=+-@":
        table = Table("t", (Column("A", "a", False),), ((f"{start}1",),))
        assert next(csv.DictReader(io.StringIO(table.to_csv())))["a"] == f"'{start}1"


def test_latex_has_booktabs_and_escapes_everything() -> None:
    text = TABLE.to_latex()
    for rule in (r"\toprule", r"\midrule", r"\bottomrule", r"\begin{tabular}{lrr}", r"92.1 $\pm$ 0.5"):
        assert rule in text
    assert r"\& 100\% \_\$\#\{\}\textasciitilde{}\textasciicircum{}\textbackslash{}" in text
    body = text[text.index(r"\midrule") : text.index(r"\bottomrule")]
    assert body.count(r"\\") == 2
    assert all(line.replace(r"\&", "").count("&") == 2 for line in body.splitlines()[1:])


def test_json_has_units_in_its_keys_and_no_nan() -> None:
    content = json.loads(TABLE.to_json())
    assert content["rows"][0]["time_seconds"] == 10.0
    assert content["rows"][1]["clean_percent"] is None
    assert "NaN" not in TABLE.to_json()


def test_html_shows_hostile_text_as_text() -> None:
    class Reader(HTMLParser):
        def __init__(self):
            super().__init__()
            self.tags, self.text = [], ""

        def handle_starttag(self, tag, attrs):
            self.tags.append(tag)

        def handle_data(self, data):
            self.text += data

    reader = Reader()
    reader.feed(TABLE.to_html())
    assert "script" not in reader.tags
    assert "<script>alert(1)</script>" in reader.text
    assert reader.tags.count("tr") == 3 and reader.tags.count("td") == 6
    assert "http" not in TABLE.to_html(), "no network"


@pytest.mark.parametrize("width", [40, 60, 200])
def test_a_narrow_terminal_gets_blocks_of_columns_and_loses_none(width: int) -> None:
    columns = (Column("Method", "m", False), *(Column(f"Quantity{n}", f"q{n}") for n in range(8)))
    table = Table("T", columns, (("PGD", *(Number(100.0 + n) for n in range(8))),))
    output = io.StringIO()
    table.print(Console(file=output, width=width, force_terminal=True, color_system=None))
    text = re.sub(r"\x1b\[[0-9;]*m", "", output.getvalue())  # bold headings
    assert all(f"{100.0 + n:.1f}" in text and f"Quantity{n}" in text for n in range(8))
    assert max(len(line) for line in text.splitlines()) <= width
    assert sum(line.strip() == "T" for line in text.splitlines()) == 1, "the title stands once"


def test_a_column_for_files_alone_is_not_on_the_screen() -> None:
    columns = (Column("Method", "m", False), Column("Clean", "c"), Column("Runs", "r", on_screen=False))
    table = Table("T", columns, (("PGD", Number(90.0), Number(2.0, digits=0)),))
    output = io.StringIO()
    table.print(Console(file=output, width=200))
    assert "Runs" not in output.getvalue() and "1 more columns are in the files." in output.getvalue()
    assert "Runs" in table.to_markdown() and table.records()[0]["r"] == 2


def test_a_word_longer_than_its_column_is_folded_and_splits_no_table() -> None:
    path = "/".join("abcdefghij" for _ in range(9))
    columns = (Column("Model", "model", False), *(Column(f"Quantity{n}", f"q{n}") for n in range(4)))
    output = io.StringIO()
    Table("T", columns, ((path, *(Number(1.0),) * 4),)).print(Console(file=output, width=100))
    lines = output.getvalue().splitlines()
    assert sum("Model" in line for line in lines) == 1
    row = lines[[line.startswith("──") for line in lines].index(True) + 1 :]
    assert "".join(line.split("  ")[0].strip() for line in row) == path


def test_a_terminal_gets_no_control_characters() -> None:
    output = io.StringIO()
    TABLE.print(Console(file=output, width=200))
    assert "\x1b[31m" not in output.getvalue()


def test_rendering_is_deterministic_and_written_whole(tmp_path) -> None:
    paths = write_table(TABLE, tmp_path, "table1")
    assert [path.name for path in paths] == [f"table1.{suffix}" for suffix in ("md", "csv", "tex", "json", "html")]
    before = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in write_table(TABLE, tmp_path, "table1")] == before
    write_json(TABLE, tmp_path / "mine.json")
    assert (tmp_path / "mine.json").read_text() == TABLE.to_json()


def test_text_wraps_only_where_there_is_no_room_left() -> None:
    columns = (Column("Method", "method", False), Column("Clean %", "clean_percent"))
    table = Table("t", columns, (("a method of many words", Number(1.0)),))
    shown = {}
    for width in (200, 26):
        output = io.StringIO()
        table.print(Console(file=output, width=width, force_terminal=True))
        shown[width] = re.sub(r"\x1b\[[0-9;]*m", "", output.getvalue())
        assert max(map(len, shown[width].splitlines())) <= width
    assert "a method of many words" in shown[200] and "a method of many words" not in shown[26]


def test_a_table_without_a_column_keeps_the_rest() -> None:
    assert TABLE.without("clean_percent").records()[0] == {
        "method": "Fine-tune",
        "time_seconds": 10.0,
        "time_seconds_std": None,
    }
    assert TABLE.without("nothing") == TABLE
