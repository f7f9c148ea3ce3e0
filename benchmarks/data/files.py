"""Rows of text files in the layouts of the field's data sets, refused by row where they are broken."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from baselines.validation import UserError
from benchmarks.data.tasks import Layout

LONGEST_FIELD = 2**24


def read_rows(path: Path, layout: Layout) -> Iterator[tuple[int, list[str], str]]:
    """Yields (row number from 1, texts, label as written) for every row of a file.

    Raises:
        ValueError: naming file, row and column, for a file that is no UTF-8 text, a missing column, a short row.
    """
    rows = _tsv(path) if layout.kind == "tsv" else _csv(path)
    header: list[str] | None = None
    if layout.has_header:
        header = [name.strip().strip("\ufeff") for name in next(rows, [])]
    positions = [_position(name, header, path) for name in (*layout.text_columns, layout.label_column)]
    for number, row in enumerate(rows, start=1):
        if not row or row == [""]:
            continue
        if len(row) <= max(positions):
            raise UserError(f"{path}, row {number}: {len(row)} columns, but column {max(positions) + 1} is needed")
        *texts, label = (row[position] for position in positions)
        yield number, texts, label.strip()


def _position(name: str | int, header: list[str] | None, path: Path) -> int:
    if isinstance(name, int):
        return name
    if header is None or name not in header:
        present = ", ".join(header or [])[:300] or "none"
        raise UserError(f"{path} has no column {name!r}; its columns are: {present}")
    return header.index(name)


def _text(path: Path) -> str:
    if path.is_dir():
        raise UserError(f"{path} is a folder, not a file of texts")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text: byte {error.start} is {raw[error.start]:#04x}") from error
    if "\0" in text:
        raise UserError(f"{path} is not a text file: it holds a NUL byte at character {text.index(chr(0))}")
    return text


def _tsv(path: Path) -> Iterator[list[str]]:
    """Lines are cut at line feeds alone: texts may hold other separators that Python would cut at."""
    for line in _text(path).split("\n"):
        yield line.removesuffix("\r").split("\t")


def _csv(path: Path) -> Iterator[list[str]]:
    previous = csv.field_size_limit(LONGEST_FIELD)
    try:
        yield from csv.reader(io.StringIO(_text(path), newline=""))
    except csv.Error as error:
        raise UserError(f"{path} is not readable as CSV: {error}") from error
    finally:
        csv.field_size_limit(previous)
