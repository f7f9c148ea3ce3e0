"""The results of `verify` on a folder of results, with every number of its tables derived again from the outcomes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from benchmarks.data.plain_files import is_plain_file, read_bytes, read_text
from benchmarks.results.store import Damaged, Store, canonical
from benchmarks.results.verify import Finding, verify
from reports.derivation import derive, numbers_of, parse
from reports.tables import Column, Table

COLUMNS = (Column("Place", "place", False), Column("What is wrong", "what", False))


def verified(folder: Path) -> Table:
    """A row per problem; `incomplete` if there is one.

    Raises:
        UserError: if the folder is no store.
    """
    store = Store(folder, writable=False)
    findings = verify(store)
    findings += [finding for path in sorted(folder.glob("*.json")) for finding in _wrong_numbers(store, path)]
    counts = f"{len(store.keys('trainings'))} trainings and {len(store.keys('attacks'))} attacks were read"
    caption = (f"{counts}; {len(findings) or 'no'} complaint{'' if len(findings) == 1 else 's'}.",)
    rows = tuple((finding.place, finding.what) for finding in findings)
    return Table(f"Verification of {folder}", COLUMNS, rows, caption, incomplete=bool(findings))


def _wrong_numbers(store: Store, path: Path) -> Iterator[Finding]:
    """Numbers in any file of a written table that differ from those of its records."""
    try:
        content = parse(read_text(path))
    except (OSError, ValueError) as error:
        yield Finding(path.name, f"it is no JSON: {error}")
        return
    if content is None:
        return
    try:
        derived = derive(store, content)
        wrong = list(_unlike(content, json.loads(derived["json"])))
    except Damaged:
        return  # the record has its own finding
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        yield Finding(path.name, f"it cannot be made again of the records it names: {error!r}")
        return
    yield from (Finding(path.name, what) for what in wrong)
    for suffix, text in derived.items():
        other = path.with_suffix(f".{suffix}")
        if suffix != "json" and is_plain_file(other):
            yield from (Finding(other.name, what) for what in _unlike_lines(_lenient(other), text))


def _lenient(path: Path) -> str:
    return read_bytes(path).decode("utf-8", "replace")


def _unlike(written: dict[str, Any], derived: dict[str, Any]) -> Iterator[str]:
    """Rows in which a table's JSON and the newly derived one differ, with the first differing column."""
    ours, again = numbers_of(written), numbers_of(derived)
    for name in {**ours, **again}:
        rows, rows_again = ours.get(name, []), again.get(name, [])
        if len(rows) != len(rows_again):
            yield f"it has {len(rows)} {name}s, its records give {len(rows_again)}"
            continue
        for number, (row, row_again) in enumerate(zip(rows, rows_again, strict=True), start=1):
            for column, value in row_again.items():
                if canonical(row.get(column)) != canonical(value):
                    yield f"{name} {number}, {column} is {row.get(column)!r}, its records give {value!r}"


def _unlike_lines(written: str, derived: str) -> Iterator[str]:
    """The first line in which a file and the newly derived one differ."""
    for number, (line, again) in enumerate(zip_longest(written.splitlines(), derived.splitlines()), start=1):
        if line != again:
            yield f"line {number} is {line!r}, its records give {again!r}"
            return
