"""How a verb answers: its exit code, the table it prints and keeps, its lines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from baselines.validation import printable

if TYPE_CHECKING:
    from reports.tables import Table

FAILED, USAGE, INCOMPLETE, INTERRUPTED = 1, 2, 3, 75
DIFFERENT = 1


def say(*lines: str) -> None:
    """Prints lines, without what would steer a terminal."""
    for line in lines:
        print(printable(line))


def print_table(table: Table, json: Path | None) -> int:
    """Prints a table and, where asked, writes it as JSON; the exit code is that of work done."""
    from reports.tables import write_json

    table.print(Console())
    if json is not None:
        write_json(table, json)
    return 0


def keep_table(table: Table, folder: Path, name: str, json: Path | None) -> int:
    """Prints a table, writes it into a folder in every rendering and names its files; returns the exit code.

    Args:
        name: of its files, without the suffix.
        json: one more file for it as JSON.
    """
    from reports.tables import write_json, write_table

    console = Console()
    console.print()
    table.print(console)
    say(*map(str, write_table(table, folder, name)))
    if json is not None:
        write_json(table, json)
    return INCOMPLETE if table.incomplete else 0
