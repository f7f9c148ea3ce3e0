"""The files of a board: a JSON file a row, the verdicts, a manifest of what the rows rest on, and a log.

Models and outcomes are not on a board; `manifest.sha256` has their hashes, in the form that `sha256sum -c` reads.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from baselines.validation import UserError
from benchmarks.data.plain_files import read_text, write_atomically
from benchmarks.data.tasks import TASKS
from benchmarks.experiments.defenses import TABLE_ORDER
from benchmarks.results.store import UNREADABLE, parse_json
from reports.attack_groups import place
from reports.row import Row

ROWS, LOG, MANIFEST, CLAIMS = "rows", "log.jsonl", "manifest.sha256", "claims.json"


def is_board(folder: Path) -> bool:
    """Whether a folder is a board and not one of results."""
    return (folder / ROWS).is_dir()


def read_rows(board: Path) -> list[Row]:
    """The rows of a board, tasks and methods in the order of the tables; none where there is no board.

    Raises:
        UserError: naming a file that is no row.
    """
    rows = []
    for path in sorted((board / ROWS).glob("*/*.json")):
        try:
            rows.append(Row.from_json(parse_json(read_text(path))))
            if path != path_of(board, rows[-1]):
                raise ValueError(f"a row of these settings is called {rows[-1].name}.json")
        except UNREADABLE as error:
            raise UserError(f"{path} is no row of a board: {error}; write it with 'earlyrobust publish'") from error
    return sorted(rows, key=lambda row: (place(list(TASKS), row.task), place(TABLE_ORDER, row.defense), row.name))


def path_of(board: Path, row: Row) -> Path:
    """The file of a row."""
    return board / ROWS / f"{row.name}.json"


def write_row(board: Path, row: Row) -> None:
    """Write a row's file."""
    write_atomically(path_of(board, row), dump(row.to_json()))


def write_manifest(board: Path, rows: Iterable[Row]) -> None:
    """Write the hashes of the weights and outcomes that the rows rest on."""
    write_atomically(board / MANIFEST, manifest(rows))


def manifest(rows: Iterable[Row]) -> str:
    """The hashes of the weights and outcomes that some rows rest on, a file a line."""
    files = {path: digest for row in rows for path, digest in row.files.items()}
    return "".join(f"{files[path]}  {path}\n" for path in sorted(files))


def append_log(board: Path, entries: Iterable[Mapping[str, Any]]) -> None:
    """Add lines to the log, which is never written again otherwise."""
    with (board / LOG).open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(entry, ensure_ascii=False, allow_nan=False) + "\n" for entry in entries)


def logged(board: Path) -> set[str]:
    """The measurements that the log holds, by their hashes.

    Raises:
        UserError: for a line that cannot be read.
    """
    path = board / LOG
    if not path.exists():
        return set()
    try:
        return {str(json.loads(line)["measurement"]) for line in read_text(path).splitlines()}
    except UNREADABLE as error:
        raise UserError(f"{path} has a line that cannot be read: {error}; take it from an earlier version") from error


def read_claims(board: Path) -> dict[str, Any]:
    """The verdicts by claim; empty where nothing was judged.

    Raises:
        UserError: for a file that cannot be read.
    """
    path = board / CLAIMS
    if not path.exists():
        return {}
    try:
        return dict(parse_json(read_text(path)))
    except UNREADABLE as error:
        raise UserError(f"{path} holds no verdicts: {error}; write it with 'earlyrobust publish'") from error


def dump(values: Mapping[str, Any]) -> str:
    """Values as the text of a JSON file."""
    return json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
