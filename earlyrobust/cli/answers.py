"""Print and write the results of verbs, and choose their exit codes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from baselines.validation import printable

if TYPE_CHECKING:
    from earlyrobust.returned import Report
    from reports.tables import Table

FAILED, USAGE, INCOMPLETE, INTERRUPTED = 1, 2, 3, 75
DIFFERENT = 1


def say(*lines: str) -> None:
    """Print lines, without characters that control a terminal."""
    for line in lines:
        print(printable(line))


def print_table(table: Table, json: Path | None) -> int:
    """Write a table as JSON where asked, and print it; the exit code is that of work done."""
    from reports.tables import write_json

    if json is not None:
        write_json(table, json)
    table.print(Console())
    return 0


def show_report(report: Report) -> int:
    """Print a report's table after an empty line, and the names of its files; return the exit code."""
    say("")
    print_table(report.table, None)
    say(*map(str, report.files))
    return 0 if report.complete else INCOMPLETE
