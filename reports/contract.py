"""The results of the contract's checks of one defense, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.contract import Verdict
from reports.tables import Column, Table

COLUMNS = (
    Column("Check", "check", False),
    Column("Passed", "passed", False),
    Column("What is wrong, or what it promises", "what", False),
)


def contract_table(title: str, verdicts: Sequence[Verdict]) -> Table:
    """A row per check; `incomplete` if one failed."""
    rows = tuple(
        (each.check.replace("_", " "), "no" if each.fault else "yes", each.fault or each.promise) for each in verdicts
    )
    failed = sum(each.fault is not None for each in verdicts)
    caption = (f"{len(verdicts) - failed} of {len(verdicts)} checks passed.",)
    return Table(f"The contract, kept by {title}?", COLUMNS, rows, caption, incomplete=failed > 0)
