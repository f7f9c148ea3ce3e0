"""Read rows of labelled texts from CSV, TSV, JSON-lines and Parquet files; malformed rows raise an error."""

from __future__ import annotations

import csv
import io
import json
import logging
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from baselines.validation import UserError
from benchmarks.data.tasks import Kind, Layout

LONGEST_FIELD = 2**24
MISSING = ("na", "n/a", "nan", "null", "none")
KINDS: dict[str, Kind] = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".parquet": "parquet"}

log = logging.getLogger(__name__)

Row = tuple[int, list[str], str]


def kind_of(path: Path) -> Kind:
    """The format of a file, by its extension.

    Raises:
        UserError: for an unsupported extension.
    """
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise UserError(f"{str(path)!r} has the unsupported extension {path.suffix!r}; use {', '.join(KINDS)}")
    return kind


def read_rows(path: Path, layout: Layout) -> Iterator[Row]:
    """Yield (row number from 1, texts, label as written) for every row of a file; blank lines are counted and skipped.

    Raises:
        UserError: naming file, row and column, for a file that is not in the format of its extension, a missing or
            duplicate column, a row with too few or too many fields, or an empty label.
    """
    wanted = (*layout.text_columns, layout.label_column)
    if layout.kind == "jsonl":
        cells = _jsonl(path, wanted)
    elif layout.kind == "parquet":
        cells = _parquet(path, wanted)
    else:
        cells = _separated(path, layout, wanted)
    for number, row in cells:
        *texts, label = row
        label = label.strip()
        if not label:
            raise UserError(f"{path}, row {number}: the label is empty")
        yield number, texts, label


@cache
def warn_of_odd_classes(path: Path, classes: tuple[str, ...]) -> None:
    """Warn, once, of labels that may be one class written in two ways, or a missing value."""
    seen: dict[object, str] = {}
    for written in classes:
        key = _value(written)
        if written.lower() in MISSING:
            log.warning("%s: the class %r may stand for a missing label", path, written)
        if seen.setdefault(key, written) != written:
            log.warning("%s: the classes %r and %r may be one; write each class in one way", path, seen[key], written)


def _value(label: str) -> object:
    try:
        return float(label)
    except ValueError:
        return label.casefold()


def _separated(path: Path, layout: Layout, wanted: Sequence[str | int]) -> Iterator[tuple[int, list[str]]]:
    rows = _tsv(path) if layout.kind == "tsv" else _csv(path)
    positions = [name for name in wanted if isinstance(name, int)]
    width = None
    if layout.has_header:
        header = [name.strip() for name in next(rows, [])]
        positions, width = _positions([str(name) for name in wanted], header, path), len(header)
    labels: set[str] = set()
    broken: list[tuple[int, str]] = []
    for number, row in enumerate(rows, start=1):
        if not row or row == [""]:
            continue
        width = width or len(row)
        if len(row) != width or width <= max(positions):
            allowed = f"the header has {width}" if layout.has_header else f"{max(width, max(positions) + 1)} are needed"
            raise UserError(f"{path}, row {number}: {len(row)} columns, and {allowed}; quote fields with separators")
        found = [row[position] for position in positions]
        labels.add(found[-1].strip())
        if layout.kind == "csv":
            broken += [(number, field) for field in row if "\n" in field.strip()]
        yield number, found
    for number, field in broken:
        if _swallowed(field.splitlines(), width or 0, positions[-1], labels):
            raise UserError(
                f"{path}, row {number}: the field {field[:40]!r}... holds whole rows; close its quotation mark"
            )


def _swallowed(lines: Sequence[str], width: int, label: int, labels: set[str]) -> bool:
    """Whether the lines of a field, except the first or the last, read as rows with a label of the file."""

    def is_row(line: str) -> bool:
        try:
            fields = next(csv.reader([line]), [])
        except csv.Error:
            return False
        return len(fields) == width and fields[label].strip() in labels

    return all(map(is_row, lines[1:])) or all(map(is_row, lines[:-1]))


def _positions(names: Sequence[str], header: Sequence[str], path: Path) -> list[int]:
    if not any(header):
        raise UserError(f"{path} holds no rows; give a file with a header and at least one text")
    present = ", ".join(header)[:300]
    absent = [name for name in names if name not in header]
    if len(absent) == len(names):
        raise UserError(
            f"{path} has no column {names[0]!r} and no other that is needed; its first line is: {present}; "
            f"if the file has no header, put a first line with the names {', '.join(names)}"
        )
    if absent:
        raise UserError(f"{path} has no column {absent[0]!r}; its columns are: {present}")
    doubled = [name for name, times in Counter(filter(None, header)).items() if times > 1]
    if doubled:
        raise UserError(f"{path} has {header.count(doubled[0])} columns called {doubled[0]!r}; name each column once")
    return [header.index(name) for name in names]


def read_file(path: Path) -> bytes:
    """Read a file that the user names; a link to it is followed.

    Raises:
        UserError: if it cannot be read, or is a folder, a pipe or a device.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise UserError(f"{path} is a folder, not a file")
        if not stat.S_ISREG(mode):
            raise UserError(f"{path} is no regular file; give one")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def text_of(path: Path) -> str:
    """The text of a file that the user names, without a mark of byte order at its start.

    Raises:
        UserError: if it cannot be read, is not UTF-8, or holds a NUL byte.
    """
    raw = read_file(path)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text: byte {error.start} is {raw[error.start]:#04x}") from error
    if "\0" in text:
        raise UserError(f"{path} is not a text file: it holds a NUL byte at character {text.index(chr(0))}")
    return text.removeprefix("\ufeff")


def _tsv(path: Path) -> Iterator[list[str]]:
    """Split a TSV file at line feeds only: texts may contain other characters at which Python would split."""
    for line in text_of(path).split("\n"):
        yield line.removesuffix("\r").split("\t")


def _csv(path: Path) -> Iterator[list[str]]:
    previous = csv.field_size_limit(LONGEST_FIELD)
    reader = csv.reader(io.StringIO(text_of(path), newline=""), strict=True)
    try:
        yield from reader
    except csv.Error as error:
        raise UserError(
            f"{path}, line {reader.line_num}: it is not readable as CSV ({error}); close and double quotation marks"
        ) from error
    finally:
        csv.field_size_limit(previous)


def _jsonl(path: Path, wanted: Sequence[str | int]) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(text_of(path).split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}, row {number}"
        try:
            row = json.loads(line, object_pairs_hook=without_doubles)
            line.encode()
        except (ValueError, RecursionError) as error:
            raise UserError(f"{where}: the line is not one JSON object: {error}") from error
        if not isinstance(row, dict):
            raise UserError(f"{where}: a JSON object is needed, got {line[:80]!r}")
        yield number, _cells(row, wanted, where)


def without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of a JSON file, for `json.loads(..., object_pairs_hook=...)`.

    Raises:
        UserError: for a duplicate name.
    """
    doubled = [name for name, times in Counter(name for name, _ in pairs).items() if times > 1]
    if doubled:
        raise ValueError(f"the name {doubled[0]!r} is there twice")
    return dict(pairs)


def _parquet(path: Path, wanted: Sequence[str | int]) -> Iterator[tuple[int, list[str]]]:
    import pyarrow
    from pyarrow import parquet

    raw = read_file(path)
    try:
        file = parquet.ParquetFile(io.BytesIO(raw))
        names = [str(name) for name in wanted]
        _positions(names, file.schema_arrow.names, path)
        rows = [row for batch in file.iter_batches(columns=names) for row in batch.to_pylist()]
    except (pyarrow.ArrowException, OSError, OverflowError, MemoryError) as error:
        raise UserError(f"{path} is not readable as Parquet: {' '.join(str(error).split())[:200]}") from error
    for number, row in enumerate(rows, start=1):
        yield number, _cells(row, wanted, f"{path}, row {number}")


def _cells(row: dict[str, Any], wanted: Sequence[str | int], where: str) -> list[str]:
    """The texts and the label of a typed row; the label as text."""
    absent = [name for name in wanted if name not in row]
    if absent:
        raise UserError(f"{where}: no {absent[0]!r}; its names are: {', '.join(map(str, row))[:300] or 'none'}")
    *texts, label = (row[str(name)] for name in wanted)
    for text in texts:
        if not isinstance(text, str):
            raise UserError(f"{where}: a text must be text, got {str(text)[:80]!r}")
        if not is_unicode(text):
            raise UserError(f"{where}: the text holds half a character (a surrogate)")
    if label is None or label != label or not isinstance(label, (str, int, float)):
        raise UserError(f"{where}: a label must be text or a number, got {str(label)[:80]!r}")
    if isinstance(label, bool):
        return [*texts, str(label).lower()]
    written = label if isinstance(label, str) else repr(label)
    if not is_unicode(written):
        raise UserError(f"{where}: the label holds half a character (a surrogate)")
    return [*texts, written]


def is_unicode(text: str) -> bool:
    """Whether a text can be written: half a character (a surrogate) cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
