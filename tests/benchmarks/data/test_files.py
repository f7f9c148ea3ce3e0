"""Rows of files, and the files that are refused."""

from __future__ import annotations

import csv

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.data.files import read_rows
from benchmarks.data.tasks import AG_NEWS, IMDB, QNLI, SST2


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
        (b"", "has no column 'sentence'; its columns are: "),
        (b"sentence\tlabel\nonly one\n", "row 1: 1 columns, but column 2 is needed"),
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
