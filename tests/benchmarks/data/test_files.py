"""Rows of files, and the files that are refused."""

from __future__ import annotations

import csv
import json
import logging
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.validation import UserError
from benchmarks.data.files import kind_of, read_rows, warn_of_odd_classes
from benchmarks.data.tasks import AG_NEWS, IMDB, QNLI, SST2, Layout


def rows(path, task):
    return list(read_rows(path, task.layout))


def test_glue_files_have_no_quoting(tmp_path) -> None:
    path = tmp_path / "train.tsv"
    path.write_text('sentence\tlabel\n"half a quote \t1\nline\u0085kept\u2028whole \t0\n')
    assert rows(path, SST2) == [(1, ['"half a quote '], "1"), (2, ["line\u0085kept\u2028whole "], "0")]


def test_columns_are_found_by_name_in_any_order(tmp_path) -> None:
    path = tmp_path / "train.tsv"
    path.write_text("label\tindex\tsentence\tquestion\nentailment\t0\ts\tq\n")
    assert rows(path, QNLI) == [(1, ["q", "s"], "entailment")]


def test_csv_fields_may_be_long_and_hold_line_feeds(tmp_path) -> None:
    path = tmp_path / "train.csv"
    text = "word " * 60_000 + '\n"quoted"'
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["text", "label"], [text, "1"]])
    limit = csv.field_size_limit()
    assert rows(path, IMDB) == [(1, [text], "1")]
    assert csv.field_size_limit() == limit


def test_a_file_without_header_goes_by_position(tmp_path) -> None:
    path = tmp_path / "train.csv"
    path.write_text('"3","Title","Body, with a comma"\n')
    assert rows(path, AG_NEWS) == [(1, ["Title", "Body, with a comma"], "3")]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"text\tlabel\na\t1\n", "has no column 'sentence'; its columns are: text, label"),
        (b"", "holds no rows; give a file with a header"),
        (b"sentence\tlabel\nonly one\n", "row 1: 1 columns, and the header has 2"),
        (b"\x89PNG\r\n\x1a\n\xff", "is not UTF-8 text: byte 0 is 0x89"),
        (b"sentence\tlabel\na\x00b\t1\n", "is not a text file: it holds a NUL byte"),
    ],
)
def test_broken_files_are_refused_in_one_sentence(tmp_path, content: bytes, sentence: str) -> None:
    path = tmp_path / "train.tsv"
    path.write_bytes(content)
    with pytest.raises(ValueError) as refusal:
        rows(path, SST2)
    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_folder_in_a_file_s_place_is_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="is a folder"):
        rows(tmp_path, SST2)


CSV = Layout("csv", ("text",), "label")
REFUSED_CSV = {
    "too many fields": ("label,text\n1,fine\n0,long, and awful\n", "row 2: 3 columns, and the header has 2"),
    "too few fields": ("label,text\n1,fine\n0\n", "row 2: 1 columns, and the header has 2"),
    "shifted row": ("id,text,label\n1,fine film,1\n2,long, and dull,0\n", "row 2: 4 columns, and the header has 3"),
    "trailing separator": ("text,label\nfine,1,\n", "row 1: 3 columns"),
    "doubled label": ("text,label,label\nfine,0,1\n", "has 2 columns called 'label'"),
    "doubled text, spaced": ("text, text ,label\nid,fine,1\n", "has 2 columns called 'text'"),
    "doubled other column": ("id,id,text,label\n1,1,fine,1\n", "has 2 columns called 'id'"),
    "unclosed quote": ('label,text\n1,fine\n0,"dull\n1,lovely\n', "line 4: it is not readable as CSV"),
    "letters behind a quote": ('label,text\n1,fine\n0,"dull" and bad\n', "line 3: it is not readable as CSV"),
    "unclosed quote, closed rows later": (
        'label,text\n1,fine\n0,"dull\n1,lovely\n0,awful"\n1,good\n0,bad\n',
        "row 2: the field 'dull\\n1,lovely\\n0,awful'... holds whole rows",
    ),
    "empty label": ("text,label\nfine,1\ndull,\n", "row 2: the label is empty"),
    "blank label": ("text,label\nfine,1\ndull,  \n", "row 2: the label is empty"),
    "no header": ("it was great,1\nso dull,0\n", "its first line is: it was great, 1; if the file has no header"),
    "other names": ("text,stars\nfine,1\n", "has no column 'label'; its columns are: text, stars"),
    "only a mark of byte order": ("\ufeff", "holds no rows"),
}


@pytest.mark.parametrize("case", REFUSED_CSV)
def test_a_broken_csv_file_is_refused_with_its_row_or_column(tmp_path, case: str) -> None:
    content, sentence = REFUSED_CSV[case]
    path = tmp_path / "texts.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError) as refusal:
        list(read_rows(path, CSV))
    assert sentence in str(refusal.value)


@pytest.mark.parametrize(
    ("content", "layout"),
    [
        ('\ufeff"text","label"\n"great, and warm","1"\n', CSV),
        ('\ufeff"1","great, and warm"\n', Layout("csv", (1,), 0)),
        ("\ufefftext\tlabel\ngreat, and warm\t1\n", Layout("tsv", ("text",), "label")),
        ('\ufeff{"text": "great, and warm", "label": 1}\n', Layout("jsonl", ("text",), "label")),
    ],
)
def test_a_mark_of_byte_order_is_no_part_of_the_first_field(tmp_path, content: str, layout: Layout) -> None:
    path = tmp_path / "texts"
    path.write_text(content, encoding="utf-8")
    assert list(read_rows(path, layout)) == [(1, ["great, and warm"], "1")]


def test_line_feeds_and_quotes_of_a_text_are_not_taken_for_rows(tmp_path) -> None:
    path = tmp_path / "texts.csv"
    texts = ["it is good, and\nI say so, 1 time\nor two", 'say ""hello""', 'a 5" disk', "one\ntwo, three\nfour"]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["text", "label"], *([text, "1"] for text in texts)])
    assert [found for _, (found,), _ in read_rows(path, CSV)] == texts


def test_a_headerless_tsv_file_is_told_so(tmp_path) -> None:
    path = tmp_path / "texts.tsv"
    path.write_text('a " 1 " for this dull film .\t0\nit was great\t1\n')
    with pytest.raises(UserError, match="if the file has no header, put a first line with the names text, label"):
        list(read_rows(path, Layout("tsv", ("text",), "label")))


LINES = Layout("jsonl", ("text",), "label")


def test_json_lines_are_read(tmp_path) -> None:
    path = tmp_path / "texts.jsonl"
    rows = [{"text": "a", "label": 1, "id": None}, {"label": "neg", "text": "b\nc"}, {"text": "d", "label": True}]
    path.write_text("\n\n".join(map(json.dumps, rows)))
    assert list(read_rows(path, LINES)) == [(1, ["a"], "1"), (3, ["b\nc"], "neg"), (5, ["d"], "true")]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("[1]", "row 1: a JSON object is needed"),
        ("{", "row 1: the line is not one JSON object"),
        ('{"text": "a", "text": "b", "label": 1}', "the name 'text' is there twice"),
        ('{"text": "a"}', "row 1: no 'label'; its names are: text"),
        ('{"text": 3, "label": 1}', "a text must be text, got '3'"),
        ('{"text": "a", "label": null}', "a label must be text or a number, got 'None'"),
        ('{"text": "a", "label": NaN}', "a label must be text or a number, got 'nan'"),
        ('{"text": "a", "label": [1]}', "a label must be text or a number"),
        ('{"text": "a", "label": ""}', "row 1: the label is empty"),
        ('{"text": "\\ud800", "label": 1}', "half a character"),
        ('{"text": "a", "label": ' + "[" * 100_000, "the line is not one JSON object"),
    ],
)
def test_broken_json_lines_are_refused_with_the_row(tmp_path, line: str, sentence: str) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text(line)
    with pytest.raises(UserError) as refusal:
        list(read_rows(path, LINES))
    assert sentence in str(refusal.value)


def test_parquet_is_read_and_refused_like_the_others(tmp_path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    layout, path = Layout("parquet", ("text",), "label"), tmp_path / "texts.parquet"
    parquet.write_table(pyarrow.table({"label": [1, 0], "text": ["a", "b"], "id": [7, 8]}), path)
    assert list(read_rows(path, layout)) == [(1, ["a"], "1"), (2, ["b"], "0")]
    for columns, sentence in (
        ({"text": ["a", None], "label": [1, 0]}, "row 2: a text must be text, got 'None'"),
        ({"text": ["a", "b"], "label": [1, None]}, "row 2: a label must be text or a number"),
        ({"text": ["a", "b"]}, "has no column 'label'"),
    ):
        parquet.write_table(pyarrow.table(columns), path)
        with pytest.raises(UserError, match=sentence):
            list(read_rows(path, layout))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UserError, match="is not readable as Parquet"):
        list(read_rows(path, layout))


def test_an_ending_says_how_a_file_is_written(tmp_path) -> None:
    assert kind_of(tmp_path / "A.CSV") == "csv"
    with pytest.raises(UserError, match=r"has the unsupported extension '.xls'; use .csv, .tsv, .jsonl, .parquet"):
        kind_of(tmp_path / "a.xls")


def test_what_is_no_regular_file_is_refused_at_once(tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(UserError, match="is no regular file"):
        list(read_rows(tmp_path / "pipe.csv", CSV))
    with pytest.raises(UserError, match="cannot be read: File name too long"):
        list(read_rows(tmp_path / f"{'a' * 300}.csv", CSV))


@pytest.mark.parametrize("classes", [("negative", "Positive", "positive"), ("0", "1", "1.0"), ("yes", "no", "NaN")])
def test_classes_that_may_be_one_or_none_get_a_warning(tmp_path, classes: tuple[str, ...], caplog) -> None:
    with caplog.at_level(logging.WARNING):
        warn_of_odd_classes(tmp_path / "train.csv", ("a", "b"))
        assert not caplog.records
        warn_of_odd_classes(tmp_path / "train.csv", classes)
    assert len(caplog.records) == 1 and classes[-1] in caplog.text


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_bytes_give_rows_or_one_sentence(tmp_path_factory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "train"
    path.write_bytes(content)
    for task in (SST2, IMDB, AG_NEWS):
        try:
            rows(path, task)
        except ValueError as refusal:
            assert not isinstance(refusal, UnicodeDecodeError)
